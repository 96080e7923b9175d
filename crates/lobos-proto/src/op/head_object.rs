//! HeadObject: what is known of an object, without its bytes.

use super::get_object::{GetObject, ObjectResponse};
use crate::{Error, ObjectInfo};

/// Takes all that GetObject takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadObject(pub GetObject);

impl HeadObject {
    /// The answer for this object.
    ///
    /// # Errors
    /// As [`GetObject::respond`].
    pub fn respond(self, info: ObjectInfo) -> Result<ObjectResponse, Error> {
        self.0.respond(info)
    }
}
