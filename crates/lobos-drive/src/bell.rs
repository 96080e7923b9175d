//! Tells all connections of one thread that the server stops, and one listener when they have
//! gone: for the drivers whose connections are tasks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::Phase;

/// The phase of this thread and who waits for the next one.
pub struct Bell {
    phase: Cell<Phase>,
    seats: RefCell<Seats>,
}

#[derive(Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Waits until every seat is free.
    last: Option<Waker>,
}

/// A place of one connection, which is free again when this is dropped.
pub struct Seat {
    bell: Rc<Bell>,
    index: usize,
    seen: Phase,
}

impl Default for Bell {
    fn default() -> Self {
        Self { phase: Cell::new(Phase::Running), seats: RefCell::default() }
    }
}

impl Bell {
    /// A place, with no phase seen but `Running`.
    pub fn seat(self: &Rc<Self>) -> Seat {
        let mut seats = self.seats.borrow_mut();
        let index = seats.free.pop().unwrap_or_else(|| {
            seats.wakers.push(None);
            seats.wakers.len() - 1
        });
        Seat { bell: Rc::clone(self), index, seen: Phase::Running }
    }

    /// The last phase that was rung.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// A new phase: wakes everybody.
    pub fn ring(&self, phase: Phase) {
        self.phase.set(phase);
        let wakers: Vec<Waker> = {
            let mut seats = self.seats.borrow_mut();
            let last = seats.last.take();
            seats.wakers.iter_mut().filter_map(Option::take).chain(last).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ready when nobody sits here any more.
    pub fn poll_empty(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut seats = self.seats.borrow_mut();
        if seats.free.len() == seats.wakers.len() {
            return Poll::Ready(());
        }
        keep(&mut seats.last, context.waker());
        Poll::Pending
    }
}

impl Seat {
    /// Ready with each phase that this seat has not seen yet.
    pub fn poll_phase(&mut self, context: &mut Context<'_>) -> Poll<Phase> {
        let phase = self.bell.phase.get();
        if phase > self.seen {
            self.seen = phase;
            return Poll::Ready(phase);
        }
        keep(&mut self.bell.seats.borrow_mut().wakers[self.index], context.waker());
        Poll::Pending
    }
}

fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) => kept.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let last = {
            let mut seats = self.bell.seats.borrow_mut();
            seats.wakers[self.index] = None;
            seats.free.push(self.index);
            if seats.free.len() == seats.wakers.len() { seats.last.take() } else { None }
        };
        last.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn everybody_hears_everything() {
        // Each seat hears of each phase once, also one that sits down later, and is woken for it.
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let bell = Rc::new(Bell::default());
        let mut first = bell.seat();
        assert!(first.poll_phase(&mut context).is_pending());
        bell.ring(Phase::Finishing);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let mut second = bell.seat();
        for seat in [&mut first, &mut second] {
            assert_eq!(seat.poll_phase(&mut context), Poll::Ready(Phase::Finishing));
            assert!(seat.poll_phase(&mut context).is_pending());
        }
        bell.ring(Phase::Over);
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
        assert_eq!(second.poll_phase(&mut context), Poll::Ready(Phase::Over));
    }

    #[test]
    fn the_last_one_is_noticed() {
        // Whoever waits for the room to be empty is woken when the last seat is free.
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let bell = Rc::new(Bell::default());
        assert!(bell.poll_empty(&mut context).is_ready());
        let (first, second) = (bell.seat(), bell.seat());
        assert!(bell.poll_empty(&mut context).is_pending());
        drop(first);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(bell.poll_empty(&mut context).is_ready());
        let again = bell.seat();
        assert_eq!(again.index, 1, "places are used again");
    }
}
