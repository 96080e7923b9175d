//! Operations whose input is an XML document: what is known before it was read.

use super::Operation;
use crate::{Error, Limits, Request};

/// An operation whose input is an XML document, with what its head said.
pub(crate) struct Document(Operation, Box<Parse>);

type Parse = dyn FnOnce(&[u8], &Limits) -> Result<Request, Error> + Send;

impl Document {
    /// `parse` makes the request of the whole document.
    pub(crate) fn new(
        operation: Operation,
        parse: impl FnOnce(&[u8], &Limits) -> Result<Request, Error> + Send + 'static,
    ) -> Self {
        Self(operation, Box::new(parse))
    }

    /// Reads the document.
    ///
    /// # Errors
    /// `MalformedXML`, and what else the operation finds wrong.
    pub(crate) fn parse(self, document: &[u8], limits: &Limits) -> Result<Request, Error> {
        (self.1)(document, limits)
    }

    /// What the document is for.
    pub(crate) fn operation(&self) -> Operation {
        self.0
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Document")
    }
}
