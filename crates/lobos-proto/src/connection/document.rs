//! A request whose body is an XML document: it gathers, then the store is asked.

use super::{Connection, State, Step};
use crate::http::body::Piece;
use crate::{Code, Error, Expected, Now, Request};

impl Connection {
    pub(super) fn step_document<'i>(
        &mut self,
        input: &'i [u8],
        now: Now,
    ) -> (usize, Option<Step<'i>>) {
        let (used, piece) = self.piece(input, now);
        match (piece, &mut self.state) {
            (Ok(Piece::Data(data)), State::Document(document)) => {
                document.1.extend_from_slice(data);
            }
            (Ok(_), _) => {
                let request = self.expected().and_then(|expected| self.read_document(&expected));
                match request {
                    Ok(request) => self.exchange.request = Some(request.into()),
                    Err(error) => self.respond(Err(error), now),
                }
            }
            (Err(step), _) => return (used, step),
        }
        (used, None)
    }

    /// The end of the body: it is read, and this is what was promised about it.
    pub(super) fn expected(&mut self) -> Result<Expected, Error> {
        match self.incoming.take() {
            Some(mut body) => body.expected(),
            None => Ok(Expected::default()),
        }
    }

    fn read_document(&mut self, expected: &Expected) -> Result<Request, Error> {
        let State::Document(document) = std::mem::replace(&mut self.state, State::Call) else {
            return Err(Error::new(Code::InternalError));
        };
        let (document, bytes) = *document;
        let mut hasher = lobos_digest::Hasher::new(expected.algorithms());
        hasher.update(&bytes);
        expected.check(&hasher.finish())?;
        document.parse(&bytes, &self.config.limits)
    }
}
