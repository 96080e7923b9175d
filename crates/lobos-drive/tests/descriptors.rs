//! Running out of descriptors. A process of its own, since the limit is one for all threads.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lobos_drive::{Accepted, Listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn accepting_goes_on() -> io::Result<()> {
    // Without descriptors one client is told so and accepting pauses; with some it goes on.
    let listener = Listener::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))])?;
    let address = listener.addresses()[0];
    let acceptors = listener.into_acceptors();
    let mut clients =
        (0..40).map(|_| TcpStream::connect(address)).collect::<Result<Vec<_>, _>>()?;
    let used = std::fs::read_dir("/proc/self/fd")?.count() as u64;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + 10), maximum: limit.maximum })?;
    let mut sockets = Vec::new();
    loop {
        match acceptors[0].accept() {
            Accepted::Socket(socket) => sockets.push(socket),
            Accepted::Pause => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((5..=20).contains(&sockets.len()), "{}", sockets.len());
    let refused = &mut clients[sockets.len()];
    // What nobody has read must not turn the answer into a reset.
    refused.write_all(&[b'x'; 50_000])?;
    assert!(matches!(acceptors[0].accept(), Accepted::Pause));
    refused.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut answer = String::new();
    refused.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("<Error><Code>SlowDown</Code>"), "{answer}");
    sockets.clear();
    assert!(matches!(acceptors[0].accept(), Accepted::Socket(_)));
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}
