//! The parts that an object was uploaded in.

use std::ops::Range;

use lobos_digest::Digest;

/// The parts of an object, in the order of their numbers; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Parts 1 to `count`, each of `size` bytes but the last, without checksums of their own.
    Uniform {
        /// 1 to 10,000.
        count: u32,
        /// Bytes, at least 1.
        size: u64,
    },
    /// Any others.
    Listed(Vec<ObjectPart>),
}

/// One part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// 1 to 10,000; gaps are allowed.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// Its checksum, if it was uploaded with one.
    pub checksum: Option<Digest>,
}

impl Parts {
    /// The parts in the shortest form.
    pub fn new(parts: Vec<ObjectPart>) -> Self {
        let size = parts.first().map_or(0, |part| part.size);
        let last = parts.len().saturating_sub(1);
        let fits = |(at, part): (usize, &ObjectPart)| {
            let right = if at == last { part.size <= size } else { part.size == size };
            part.checksum.is_none() && usize::try_from(part.number) == Ok(at + 1) && right
        };
        match u32::try_from(parts.len()) {
            Ok(count) if size > 0 && parts.iter().enumerate().all(fits) => {
                Self::Uniform { count, size }
            }
            _ => Self::Listed(parts),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Uniform { count, .. } => usize::try_from(*count).unwrap_or(usize::MAX),
            Self::Listed(parts) => parts.len(),
        }
    }

    /// Whether they can be those of an object of `total` bytes.
    pub fn are_of(&self, total: u64) -> bool {
        match self {
            Self::Listed(parts) => {
                let sum = |sum: u64, part: &ObjectPart| sum.checked_add(part.size);
                !parts.is_empty() && parts.iter().try_fold(0, sum) == Some(total)
            }
            Self::Uniform { count, size } => {
                let [count, size] = [u128::from(*count), u128::from(*size)];
                let fits = count.saturating_sub(1) * size <= total.into();
                count > 0 && size > 0 && fits && u128::from(total) <= count * size
            }
        }
    }

    /// All parts of an object of `total` bytes, in order.
    pub fn iter(&self, total: u64) -> impl Iterator<Item = ObjectPart> + '_ {
        let at = move |n: usize| match self {
            Self::Listed(parts) => parts.get(n).cloned(),
            Self::Uniform { count, size } => {
                let before = u32::try_from(n).ok().filter(|n| n < count)?;
                let left = total.saturating_sub(u64::from(before).saturating_mul(*size));
                Some(ObjectPart { number: before + 1, size: left.min(*size), checksum: None })
            }
        };
        (0..self.count()).filter_map(at)
    }

    /// Where the `count`th part (1 is the first) is in an object of `total` bytes. Who reads an
    /// object by its parts asks for 1 to [`Parts::count`], whatever numbers they were uploaded
    /// with: older minio-js begins with 2.
    pub fn nth(&self, count: u32, total: u64) -> Option<(Range<u64>, ObjectPart)> {
        let mut start = 0;
        for (at, part) in (1..).zip(self.iter(total)) {
            let end = part.size.saturating_add(start);
            if at == count {
                return Some((start..end, part));
            }
            start = end;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(sizes: &[u64]) -> Vec<ObjectPart> {
        let part = |(n, size): (u32, &u64)| ObjectPart { number: n, size: *size, checksum: None };
        (1..).zip(sizes).map(part).collect()
    }

    #[test]
    fn sums() {
        // Parts are those of an object only if they add up to its bytes.
        for sizes in [&[5, 5, 3][..], &[5, 0], &[5], &[5, 6], &[0]] {
            let (parts, sum) = (Parts::new(parts(sizes)), sizes.iter().sum::<u64>());
            assert!(parts.are_of(sum), "{sizes:?}");
            assert!(!parts.are_of(sum + 100) && !parts.are_of(u64::MAX), "{sizes:?}");
            assert!(sum == 0 || !parts.are_of(0) || sizes.len() == 1, "{sizes:?}");
        }
        let sizes = [u64::MAX, u64::MAX, 2];
        assert!(!Parts::Listed(parts(&sizes)).are_of(0));
        assert!(!Parts::Uniform { count: u32::MAX, size: u64::MAX }.are_of(1));
        assert!(!Parts::Uniform { count: 0, size: 0 }.are_of(0));
        assert!(!Parts::Listed(Vec::new()).are_of(0));
    }

    #[test]
    fn forms() {
        // Equal parts are kept as two numbers, and both forms tell the same parts.
        for (sizes, uniform) in [
            (&[5, 5, 3][..], true),
            (&[5, 5, 5], true),
            (&[5], true),
            (&[5, 6], false),
            (&[5, 4, 5], false),
            (&[0], false),
        ] {
            let made = Parts::new(parts(sizes));
            assert_eq!(matches!(made, Parts::Uniform { .. }), uniform, "{sizes:?}");
            assert_eq!(made.count(), sizes.len());
            let total = sizes.iter().sum();
            assert_eq!(made.iter(total).collect::<Vec<_>>(), parts(sizes));
            let last = u32::try_from(sizes.len()).unwrap();
            let (range, part) = made.nth(last, total).unwrap();
            assert_eq!((range.end, part.size), (total, *sizes.last().unwrap()));
            assert_eq!((made.nth(last + 1, total), made.nth(0, total)), (None, None));
        }
        let gap = Parts::new(vec![ObjectPart { number: 2, size: 5, checksum: None }]);
        assert!(matches!(gap, Parts::Listed(_)) && gap.nth(2, 5).is_none());
        let (range, part) = gap.nth(1, 5).unwrap();
        assert_eq!((range, part.number), (0..5, 2));
    }
}
