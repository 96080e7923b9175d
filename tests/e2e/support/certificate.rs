//! A certificate for `localhost` and 127.0.0.1 that is its own root, made once by openssl for each
//! test program, and a TLS client that trusts it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

/// A key on the curve that is used most.
pub(crate) const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Makes `NAME.pem` and `NAME.key` (PKCS#8) in this folder.
pub(crate) fn make(folder: &Path, name: &str, kind: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]).args(kind);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(folder.join(format!("{name}.key")));
    openssl.arg("-out").arg(folder.join(format!("{name}.pem")));
    run(&mut openssl);
}

/// Runs openssl to its end.
pub(crate) fn run(openssl: &mut Command) {
    let done = openssl.output().expect("openssl is needed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn made() -> &'static TempDir {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "server", EC);
        folder
    })
}

/// Puts `server.pem` and `server.key` into this folder.
pub(crate) fn copy_to(folder: &Path) {
    for name in ["server.pem", "server.key"] {
        fs::copy(made().path().join(name), folder.join(name)).unwrap();
    }
}

/// A client that trusts the certificate that [`copy_to`] gives.
pub(crate) fn client() -> ClientConnection {
    trusting(&made().path().join("server.pem"), rustls::ALL_VERSIONS)
}

/// A client that trusts this certificate and speaks these versions of TLS.
pub(crate) fn trusting(
    pem: &Path,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}
