//! One world: a store, connections with a client and a driver each, and the time.

use std::sync::Arc;
use std::time::Duration;

use lobos_drive::{Buffer, Phase};
use lobos_proto::{Config, Limits, Patience, Store};

use crate::check;
use crate::client::{Client, Reach};
use crate::driver::{Driver, Surroundings};
use crate::network::{Pipe, slowest};
use crate::request::parts::NUMBERS;
use crate::request::{DELETE_KEYS, DRAIN, FORM, HEAD, KEYS, MAX_KEYS, OBJECT};
use crate::store::{Model, Rates};
use crate::timeline::{Event, MS, Micros, Timeline};

/// How long the server waits for a request.
const IDLE: Micros = 4000 * MS;

/// No world has more events.
const EVENTS: usize = 300_000;

struct Link {
    up: Pipe,
    down: Pipe,
    client: Client,
    driver: Driver,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) line: Timeline,
    store: Model,
    links: Vec<Link>,
    pool: Vec<Buffer>,
    capacity: usize,
    phase: Phase,
}

impl World {
    /// The world of a seed.
    pub(crate) fn new(seed: u64, verbose: bool) -> Self {
        let mut line = Timeline::new(seed, verbose);
        let connections = line.rng.between(1, 6);
        let store = Model::new(seed, connections, rates(&mut line));
        for key in KEYS {
            if line.rng.chance(50) {
                let content = line.rng.content(OBJECT);
                store.state().put(key, content.into(), None, None);
            }
            if line.rng.chance(25) {
                let upload = store.state().begin(key, None, None);
                for number in NUMBERS {
                    if line.rng.chance(50) {
                        let content = line.rng.content(700).into();
                        let at = (upload.as_str(), number);
                        store.state().add_part(at, content, None, (None, None));
                    }
                }
            }
        }
        let config = Arc::new(config());
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let links = (0..connections)
            .map(|id| {
                let window = line.rng.pick(&[200, 700, 4000]);
                let slow = slowest(&mut line.rng);
                let (server, client) = (Event::Server(id), Event::Client(id));
                let up = Pipe::new(client, server, window, slow);
                let person = Client::new(id, &mut line);
                // Who reads only after writing must have room for any answer.
                let narrow = if person.is_blocking() { 8000 } else { 500 };
                let window = line.rng.pick(&[narrow, 8000]);
                let down = Pipe::new(server, client, window, slow);
                line.at(0, server);
                line.at(0, client);
                let driver = Driver::new(id, Arc::clone(&config), Arc::clone(&shared), &mut line);
                Link { up, down, client: person, driver }
            })
            .collect();
        if line.rng.chance(25) {
            stop(&mut line);
        }
        let capacity = HEAD + 1 + line.rng.pick(&[0, 99, 250]);
        Self { line, store, links, pool: Vec::new(), capacity, phase: Phase::Running }
    }

    /// Lets it run to its end.
    pub(crate) fn run(&mut self) {
        let mut events = 0;
        while let Some(event) = self.line.advance() {
            self.happen(event);
            events += 1;
            assert!(events < EVENTS, "a world without an end");
        }
        for (id, link) in self.links.iter().enumerate() {
            assert!(link.driver.is_over(), "#{id} never closes");
            // A disk that fails ends a connection at once.
            let cut = link.driver.is_cut || self.store.state().accounts[id].cuts > 0;
            let got = cut || link.client.has_got(link.driver.answers);
            assert!(got, "#{id}: an answer was lost on its way");
        }
        let clients: Vec<_> = self.links.drain(..).map(|link| link.client).collect();
        check::log(&self.store.state(), &clients);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Client(id) => self.client(id),
            Event::Server(id) => {
                let link = &mut self.links[id];
                if link.up.deliver(self.line.time) {
                    link.down.break_off(&mut self.line);
                }
                if link.up.is_reset() {
                    link.down.cripple();
                }
                self.server(id, Driver::wake);
            }
            Event::Deadline(id) => self.server(id, Driver::deadline),
            Event::Run(id) => self.server(id, Driver::run),
            Event::Return(id) => self.server(id, Driver::back),
            Event::Stop(phase) => {
                self.phase = phase;
                self.line.note(0, format_args!("the server stops: {phase:?}"));
                for id in 0..self.links.len() {
                    self.server(id, |driver, around| driver.stop(phase, around));
                }
            }
        }
    }

    fn client(&mut self, id: usize) {
        let link = &mut self.links[id];
        if link.down.deliver(self.line.time) {
            link.up.break_off(&mut self.line);
        }
        if link.down.is_reset() {
            link.up.cripple();
        }
        if !link.client.over {
            link.client.act(&mut Reach {
                line: &mut self.line,
                up: &mut link.up,
                down: &mut link.down,
                store: &self.store,
                phase: self.phase,
                at_rest: link.driver.closed_at_rest(),
                idle: IDLE,
            });
        }
    }

    fn server(&mut self, id: usize, does: impl FnOnce(&mut Driver, &mut Surroundings<'_>)) {
        let link = &mut self.links[id];
        let mut around = Surroundings {
            line: &mut self.line,
            up: &mut link.up,
            down: &mut link.down,
            pool: &mut self.pool,
            capacity: self.capacity,
            store: &self.store,
            sent: &link.client.sent,
        };
        does(&mut link.driver, &mut around);
        let open = self.store.state().accounts[id];
        assert!(open.sinks <= 1 && open.sources <= 1, "#{id} has opened too much");
    }
}

fn rates(line: &mut Timeline) -> Rates {
    let rng = &mut line.rng;
    let heavy = rng.pick(&[0, 20, 60]);
    match rng.between(0, 2) {
        0 => Rates { heavy, ..Rates::default() },
        1 => Rates { call: 10, append: 5, commit: 15, source: 10, heavy },
        _ => Rates { call: 2, append: 2, commit: 3, source: 3, heavy },
    }
}

fn stop(line: &mut Timeline) {
    // Many stop while the first requests run.
    let latest = line.rng.pick(&[400, 3000]);
    let begin = line.rng.between(0, latest) as u64 * MS;
    let leave = begin + line.rng.between(0, 2000) as u64 * MS;
    let over = leave + line.rng.between(0, 3000) as u64 * MS;
    line.at(begin, Event::Stop(Phase::Finishing));
    line.at(leave, Event::Stop(Phase::Leaving));
    line.at(over, Event::Stop(Phase::Over));
}

/// Everything as small as it can be.
fn config() -> Config {
    Config {
        limits: Limits {
            head: HEAD,
            headers: 16,
            document: 900,
            form: FORM,
            fields: 4,
            object: OBJECT as u64,
            user_metadata: 64,
            delete_keys: DELETE_KEYS,
            max_keys: MAX_KEYS as u32,
            chunk_line: 60,
            trailers: 120,
            drain: DRAIN as u64,
            linger: 40_000,
            heavy: usize::MAX,
        },
        patience: Patience {
            idle: Duration::from_micros(IDLE),
            head: Duration::from_secs(2),
            stall: Duration::from_secs(2),
            rate: 0,
            linger: Duration::from_secs(1),
        },
        ..Config::default()
    }
}
