//! The certificate of a server: two PEM files, read at the start and again when they have changed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io, thread};

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::UnbufferedServerConnection;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;

/// A certificate with its chain, and its key. Clones are one and the same.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    chain: PathBuf,
    key: PathBuf,
    /// What connections that are accepted now begin with.
    config: Mutex<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads both files: `chain` has the certificate of the server first, then those that lead to
    /// its root; `key` is PKCS#8, PKCS#1 or SEC1 without a password.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(chain: PathBuf, key: PathBuf) -> Result<Self, String> {
        let config = Mutex::new(Arc::new(config(&chain, &key)?));
        Ok(Self(Arc::new(Inner { chain, key, config })))
    }

    /// Reads the files again. Connections that are there go on with what they began with, and an
    /// error changes nothing.
    ///
    /// # Errors
    /// As [`Certificate::read`].
    pub fn reload(&self) -> Result<(), String> {
        let fresh = Arc::new(config(&self.0.chain, &self.0.key)?);
        *self.0.config.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Reads the files again at each SIGHUP from now on, and hands out what came of it.
    ///
    /// # Errors
    /// If the handler cannot be installed.
    pub fn reload_on_hangup(
        &self,
        mut reloaded: impl FnMut(Result<(), String>) + Send + 'static,
    ) -> io::Result<()> {
        let mut signals = Signals::new([SIGHUP])?;
        let certificate = self.clone();
        let work = move || signals.forever().for_each(|_| reloaded(certificate.reload()));
        thread::Builder::new().name("lobos-reload".into()).spawn(work)?;
        Ok(())
    }

    /// The server's end of a new connection.
    pub(crate) fn accept(&self) -> Result<UnbufferedServerConnection, rustls::Error> {
        let config = self.0.config.lock().unwrap_or_else(PoisonError::into_inner);
        UnbufferedServerConnection::new(Arc::clone(&config))
    }
}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.0.chain).finish()
    }
}

fn config(chain: &PathBuf, key: &PathBuf) -> Result<ServerConfig, String> {
    let shown = chain.display();
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|error| format!("cannot read {shown}: {}", reason(&error)))?;
    if certificates.is_empty() {
        return Err(format!("{shown} has no certificate: PEM is expected"));
    }
    let shown = key.display();
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            format!("{shown} has no key: PEM without a password is expected")
        }
        other => format!("cannot read {shown}: {}", reason(&other)),
    })?;
    let failed = |error: rustls::Error| {
        format!("{} and {shown} do not work together: {error}", chain.display())
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Without the name of a type in front.
fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
