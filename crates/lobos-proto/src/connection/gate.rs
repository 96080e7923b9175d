//! Web pages of other origins: the rules of the bucket say whether they are let in.

use super::{Connection, State};
use crate::http::head::Framing;
use crate::op::cors::CorsRules;
use crate::op::{Configuration, GetBucketConfiguration, Route, Routed, Visitor};
use crate::{Code, Error, Now, Request, Response};

/// A request that waits for the rules.
#[derive(Debug)]
pub(super) struct Gate {
    visitor: Box<Visitor>,
    framing: Framing,
    route: Result<Route, Error>,
}

impl Connection {
    /// Takes the route, after a look at the rules if a page of another origin asks.
    pub(super) fn admit(&mut self, framing: Framing, routed: Routed, now: Now) {
        let Routed { visitor, route } = routed;
        let Some(visitor) = visitor else { return self.take_route(framing, route, now) };
        let bucket = visitor.bucket.clone();
        let gate = Gate { visitor, framing, route };
        let Some(bucket) = bucket else { return self.judge(gate, Ok(None), now) };
        let get = GetBucketConfiguration { bucket, kind: Configuration::Cors };
        self.exchange.request = Some(Request::GetBucketConfiguration(get).into());
        self.state = State::Gate(Box::new(gate));
        self.since = now.instant;
    }

    /// The store has answered what the rules are.
    pub(super) fn ruled(&mut self, gate: Gate, answer: Result<Response, Error>, now: Now) {
        let rules = match answer {
            Ok(Response::GetBucketConfiguration(document)) => Ok(Some(CorsRules::parse(&document))),
            Ok(_) => Ok(None),
            Err(error) if error.code() == Code::NoSuchCORSConfiguration => Ok(None),
            Err(error) => Err(error),
        };
        self.judge(gate, rules, now);
    }

    /// Lets the page in, or not. Whoever only reads and says who it is is served also then, as S3
    /// does it: without the headers no browser shows the answer to the page. So is who has signed:
    /// that takes a secret which no page of a stranger has.
    fn judge(&mut self, gate: Gate, rules: Result<Option<CorsRules>, Error>, now: Now) {
        let Gate { visitor, framing, mut route } = gate;
        let (rules, failed) = match rules {
            Ok(rules) => (rules, None),
            Err(error) => (None, Some(error)),
        };
        let refused = visitor.needs_leave() && self.config.credentials.is_empty();
        match visitor.admit(rules.as_ref()) {
            Some(headers) => self.exchange.cors = headers,
            None if visitor.is_preflight || refused => {
                // A store without configurations has no rules, and neither has a missing bucket.
                let known = failed.filter(|error| match error.code() {
                    Code::NoSuchBucket => visitor.is_preflight,
                    code => code != Code::NotImplemented,
                });
                route = Err(known.unwrap_or_else(|| visitor.refusal(rules.as_ref())));
            }
            None => {}
        }
        self.take_route(framing, route, now);
    }
}
