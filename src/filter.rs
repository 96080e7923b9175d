//! Which requests and warnings the log has.

use clap::ValueEnum;
use lobos_proto::op::Operation;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Amount {
    Off,
    Errors,
    Access,
}

/// One `TARGET=AMOUNT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    target: String,
    amount: Amount,
}

/// Those who warn.
const WARNERS: [&str; 2] = ["fs", "drive"];

impl Directive {
    /// Reads `HeadObject=off`; a `*` at an end of the target stands for anything.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "TARGET=off, =errors or =access is needed, as in HeadObject=off".to_owned();
        let (target, amount) = text.split_once('=').ok_or_else(wrong)?;
        let amount = Amount::from_str(amount.trim(), true).map_err(|_| wrong())?;
        let this = Self { target: target.trim().to_owned(), amount };
        let known = Operation::ALL.iter().map(|operation| operation.as_str()).chain(WARNERS);
        if known.into_iter().any(|name| this.matches(name)) {
            return Ok(this);
        }
        Err(format!("'{}' is no operation (as GetObject, or List*), nor fs or drive", this.target))
    }

    fn matches(&self, name: &str) -> bool {
        match (self.target.strip_prefix('*'), self.target.strip_suffix('*')) {
            (_, Some(start)) => name.starts_with(start),
            (Some(end), None) => name.ends_with(end),
            (None, None) => name == self.target,
        }
    }
}

/// All directives, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    rest: Amount,
    operations: Vec<Amount>,
    warners: [Amount; 2],
}

impl Filter {
    /// `rest` of whatever no directive names; of several that name one the last counts.
    pub(crate) fn new(rest: Amount, directives: &[Directive]) -> Self {
        let of = |name: &str| {
            let last = directives.iter().rev().find(|directive| directive.matches(name));
            last.map_or(rest, |directive| directive.amount)
        };
        let operations = Operation::ALL.iter().map(|operation| of(operation.as_str())).collect();
        Self { rest, operations, warners: WARNERS.map(of) }
    }

    /// Of requests of this kind.
    pub(crate) fn amount(&self, operation: Option<Operation>) -> Amount {
        let own = operation.and_then(|operation| self.operations.get(operation.index()));
        own.copied().unwrap_or(self.rest)
    }

    /// Whether warnings of the store are wanted.
    pub(crate) fn fs(&self) -> bool {
        self.warners[0] > Amount::Off
    }

    /// Whether warnings of connections are wanted.
    pub(crate) fn drive(&self) -> bool {
        self.warners[1] > Amount::Off
    }

    /// Whether any request can get into the log.
    pub(crate) fn has_requests(&self) -> bool {
        self.operations.iter().chain([&self.rest]).any(|amount| *amount > Amount::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(rest: Amount, directives: &[&str]) -> Filter {
        let parse = |text: &&str| Directive::parse(text).unwrap();
        Filter::new(rest, &directives.iter().map(parse).collect::<Vec<_>>())
    }

    #[test]
    fn last_word() {
        // The last directive that names an operation counts, and --log counts for all others.
        let filter = filter(Amount::Access, &["*Object=errors", "HeadObject=off", "fs=off"]);
        assert_eq!(filter.amount(Some(Operation::GetObject)), Amount::Errors);
        assert_eq!(filter.amount(Some(Operation::HeadObject)), Amount::Off);
        assert_eq!(filter.amount(Some(Operation::ListObjectsV2)), Amount::Access);
        assert_eq!(filter.amount(None), Amount::Access);
        assert!(!filter.fs() && filter.drive() && filter.has_requests());
    }

    #[test]
    fn off() {
        // Without anything to log nobody has to look at requests.
        assert!(!filter(Amount::Off, &[]).has_requests());
        assert!(!filter(Amount::Errors, &["*=off"]).operations.contains(&Amount::Errors));
        assert!(filter(Amount::Off, &["Put*=errors"]).has_requests());
    }

    #[test]
    fn refused() {
        // What no request can match is a mistake that is told.
        for bad in ["GetObject", "getobject=off", "GetObject=debug", "x=off", "=off", ""] {
            assert!(Directive::parse(bad).is_err(), "{bad}");
        }
    }
}
