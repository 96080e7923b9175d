//! The credential of version 4: a key pair's name and what its signing key is for.

use super::date;
use crate::{Code, Config, Error};

/// Where a credential stands: the words of its errors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The Authorization header.
    Header,
    /// A presigned URL.
    Query,
    /// A POST form.
    Form,
}

impl Place {
    /// S3's error for a credential that is wrong there.
    pub(super) fn malformed(self, why: &str) -> Error {
        let (code, start) = match self {
            Self::Header => {
                (Code::AuthorizationHeaderMalformed, "The authorization header is malformed")
            }
            Self::Query => (
                Code::AuthorizationQueryParametersError,
                "Error parsing the X-Amz-Credential parameter",
            ),
            Self::Form => (Code::InvalidRequest, "Error parsing the X-Amz-Credential parameter"),
        };
        Error::new(code).message(format!("{start}; {why}"))
    }
}

/// `KEY/yyyyMMdd/region/service/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credential<'t> {
    /// It may have slashes itself.
    pub(super) access_key: &'t str,
    pub(super) date: &'t str,
    pub(super) region: &'t str,
    pub(super) service: &'t str,
    terminal: &'t str,
}

impl<'t> Credential<'t> {
    /// Splits it.
    ///
    /// # Errors
    /// The one of `place`.
    pub(super) fn parse(text: &'t str, place: Place) -> Result<Self, Error> {
        let mut parts = text.rsplitn(5, '/');
        let mut next = || parts.next();
        let (terminal, service, region, date, access_key) =
            (next(), next(), next(), next(), next());
        match (access_key, date, region, service, terminal) {
            (Some(access_key), Some(date), Some(region), Some(service), Some(terminal))
                if !access_key.is_empty() =>
            {
                Ok(Self { access_key, date, region, service, terminal })
            }
            _ => Err(place.malformed(
                "the Credential is mal-formed; expecting \
                 \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            )),
        }
    }

    /// Holds it against the time of the request (`yyyyMMddTHHmmssZ`) and this server.
    ///
    /// # Errors
    /// The one of `place`, with the region to take if that is wrong.
    pub(super) fn check(&self, time: &str, config: &Config, place: Place) -> Result<(), Error> {
        let Self { date, region, service, terminal, .. } = self;
        if !date::is_day(date) {
            return Err(place.malformed(&format!(
                "incorrect date format \"{date}\". This date in the credential must be in the \
                 format \"yyyyMMdd\"."
            )));
        }
        if let Some(expected) = config.region.as_deref().filter(|own| own != region) {
            let why = format!("the region '{region}' is wrong; expecting '{expected}'");
            return Err(place.malformed(&why).element("Region", expected));
        }
        if *service != "s3" {
            return Err(place.malformed(&format!(
                "incorrect service \"{service}\". This endpoint belongs to \"s3\"."
            )));
        }
        if *terminal != "aws4_request" {
            return Err(place.malformed(&format!(
                "incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\"."
            )));
        }
        if time.get(..8) != Some(date) {
            return Err(place.malformed(&format!(
                "Invalid credential date \"{date}\". This date is not the same as X-Amz-Date: \
                 \"{}\".",
                time.get(..8).unwrap_or(time)
            )));
        }
        Ok(())
    }

    /// As it stands in the string to sign.
    pub(super) fn scope(&self) -> String {
        let Self { date, region, service, terminal, .. } = self;
        format!("{date}/{region}/{service}/{terminal}")
    }
}
