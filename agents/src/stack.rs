//! Seeds side by side: the SAC learners of several runs of one configuration as one stack, so that a GPU
//! is asked once for all of them.
//!
//! Each run keeps its own thread, environment, memory and random streams; only its networks move
//! into the stack, which one more thread owns. When every run waits for an action or an update,
//! the stack computes them together: all that wait for actions first, else one update of
//! all. Slots never touch each other, so a run is the same as alone up to the rounding of batched
//! products; and its saved state has the same form.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prefbench_oracles::Stream;

use crate::device::Compute;
use crate::replay::{Batch, Dims};
use crate::sac::{Sac, SacConfig, Share};
use crate::state::{State, StateError};

/// A place in a stack of learners, to be handed to the builder of one ([`crate::Build`]).
pub struct Ticket {
    slot: usize,
    booking: Arc<Booking>,
    used: bool,
}

/// What the tickets of a stack share.
struct Booking {
    slots: usize,
    /// `Sender<Message<A>>`, made by the first that sits down.
    door: Mutex<Option<Box<dyn Any + Send>>>,
    /// Tickets that were given up.
    lost: AtomicUsize,
}

impl Ticket {
    /// Tickets for a stack of `slots` learners. They start once each is built or given up.
    pub fn book(slots: usize) -> Vec<Self> {
        let booking = Arc::new(Booking {
            slots,
            door: Mutex::new(None),
            lost: AtomicUsize::new(0),
        });
        let one = |slot| Self {
            slot,
            booking: Arc::clone(&booking),
            used: false,
        };
        (0..slots).map(one).collect()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            self.booking.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({} of {})", self.slot, self.booking.slots)
    }
}

/// A learner's SAC: its own, or a slot of a stack.
pub enum Seat<A: Compute> {
    /// Its own.
    Alone(Box<Sac<A>>),
    /// In a stack.
    Shared(Shared<A>),
}

/// A learner's end of its slot.
pub struct Shared<A: Compute> {
    slot: usize,
    config: SacConfig,
    dims: Dims,
    door: Sender<Message<A>>,
}

/// Work on a slot.
type Work<A> = dyn FnOnce(&mut Sac<A>) + Send;

/// What is done with a slot alone, at once.
struct Task<A: Compute> {
    slot: usize,
    /// Whether its changes are kept.
    changes: bool,
    work: Box<Work<A>>,
}

/// What a fresh learner is made of. The stack's thread makes it, since a GPU's tensors are best left to one
/// thread.
struct Newcomer<A: Compute> {
    config: SacConfig,
    dims: Dims,
    device: A::Device,
    rng: Stream,
    /// Hears where the stream stands then.
    reply: Sender<Stream>,
}

impl<A: Compute> Newcomer<A> {
    fn sit(mut self) -> Sac<A> {
        let sac = Sac::new(self.config, self.dims, &mut self.rng, self.device);
        let _ = self.reply.send(self.rng);
        sac
    }
}

enum Message<A: Compute> {
    Sit(usize, Box<Newcomer<A>>),
    Act {
        slot: usize,
        observation: Vec<f32>,
        noise: Vec<f32>,
        reply: Sender<Vec<f32>>,
    },
    Update {
        slot: usize,
        share: Box<Share>,
        reply: Sender<()>,
    },
    Alone(Task<A>),
    Leave(usize),
}

impl<A: Compute> Seat<A> {
    /// Fresh networks drawn from `rng`, in the stack that the ticket is for, if there is one.
    pub(crate) fn new(
        config: SacConfig,
        dims: Dims,
        rng: &mut Stream,
        device: A::Device,
        ticket: Option<Ticket>,
    ) -> Self {
        let Some(mut ticket) = ticket else {
            return Self::Alone(Box::new(Sac::new(config, dims, rng, device)));
        };
        ticket.used = true;
        let (slot, booking) = (ticket.slot, &ticket.booking);
        let mut door = booking.door.lock().unwrap_or_else(PoisonError::into_inner);
        let known = door.as_ref().and_then(|d| d.downcast_ref::<Sender<_>>());
        let door = known.cloned().unwrap_or_else(|| {
            let (sender, receiver) = channel();
            let booking = Arc::clone(booking);
            std::thread::spawn(move || serve(&booking, &receiver));
            *door = Some(Box::new(sender.clone()));
            sender
        });
        let (reply, answer) = channel();
        let newcomer = Newcomer {
            config: config.clone(),
            dims,
            device,
            rng: rng.clone(),
            reply,
        };
        let shared = Shared {
            slot,
            config,
            dims,
            door,
        };
        shared.send(Message::Sit(slot, Box::new(newcomer)));
        *rng = receive(&answer);
        Self::Shared(shared)
    }

    /// See [`Sac::config`].
    pub fn config(&self) -> &SacConfig {
        match self {
            Self::Alone(sac) => sac.config(),
            Self::Shared(shared) => &shared.config,
        }
    }

    /// See [`Sac::act`].
    pub fn act(&self, observation: &[f32], noise: Option<Vec<f32>>) -> Vec<f32> {
        match self {
            Self::Alone(sac) => sac.act(observation, noise),
            Self::Shared(shared) => {
                let (reply, answer) = channel();
                let observation = observation.to_vec();
                let noise = noise.unwrap_or_else(|| vec![0.0; shared.dims.act]);
                shared.send(Message::Act {
                    slot: shared.slot,
                    observation,
                    noise,
                    reply,
                });
                receive(&answer)
            }
        }
    }

    /// See [`Sac::update`].
    pub fn update(&mut self, batch: Batch, rng: &mut Stream) {
        let dims = match self {
            Self::Alone(sac) => sac.dims(),
            Self::Shared(shared) => shared.dims,
        };
        self.update_with(Share::new(batch, dims, rng));
    }

    /// The same with the policy's noise drawn before.
    pub(crate) fn update_with(&mut self, share: Share) {
        match self {
            Self::Alone(sac) => sac.update_all(vec![share]),
            Self::Shared(shared) => {
                let (reply, answer) = channel();
                shared.send(Message::Update {
                    slot: shared.slot,
                    share: Box::new(share),
                    reply,
                });
                receive(&answer)
            }
        }
    }

    /// Reads this learner's SAC.
    pub(crate) fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sac<A>) -> T + Send + 'static,
    ) -> T {
        match self {
            Self::Alone(sac) => work(sac),
            Self::Shared(shared) => shared.look(work),
        }
    }

    /// See [`Sac::values`].
    pub fn values(&self, observations: &[f32], actions: usize) -> Vec<f64> {
        let observations = observations.to_vec();
        self.look(move |sac| sac.values(&observations, actions))
    }

    /// See [`Sac::metrics`].
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.look(Sac::metrics)
    }

    /// See [`Sac::reset_critics`].
    pub fn reset_critics(&mut self, rng: &mut Stream) {
        match self {
            Self::Alone(sac) => sac.reset_critics(rng),
            Self::Shared(shared) => {
                let mut own = rng.clone();
                *rng = shared.change(move |sac| {
                    sac.reset_critics(&mut own);
                    own
                });
            }
        }
    }

    /// See [`Sac::save`].
    pub fn save(&self, state: &mut State) {
        match self {
            Self::Alone(sac) => sac.save(state),
            Self::Shared(shared) => {
                let mut own = std::mem::take(state);
                *state = shared.look(move |sac| {
                    sac.save(&mut own);
                    own
                });
            }
        }
    }

    /// See [`Sac::load`].
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        match self {
            Self::Alone(sac) => sac.load(state),
            Self::Shared(shared) => {
                let state = state.clone();
                shared.change(move |sac| sac.load(&state))
            }
        }
    }
}

impl<A: Compute> Shared<A> {
    fn send(&self, message: Message<A>) {
        // If the stack's thread is gone, `receive` says so.
        let _ = self.door.send(message);
    }

    fn look<T: Send + 'static>(&self, work: impl FnOnce(&Sac<A>) -> T + Send + 'static) -> T {
        self.alone(false, |sac| work(sac))
    }

    fn change<T: Send + 'static>(&self, work: impl FnOnce(&mut Sac<A>) -> T + Send + 'static) -> T {
        self.alone(true, work)
    }

    fn alone<T: Send + 'static>(
        &self,
        changes: bool,
        work: impl FnOnce(&mut Sac<A>) -> T + Send + 'static,
    ) -> T {
        let (reply, answer) = channel();
        let work = move |sac: &mut Sac<A>| {
            let _ = reply.send(work(sac));
        };
        self.send(Message::Alone(Task {
            slot: self.slot,
            changes,
            work: Box::new(work),
        }));
        receive(&answer)
    }
}

impl<A: Compute> Drop for Shared<A> {
    fn drop(&mut self) {
        self.send(Message::Leave(self.slot));
    }
}

fn receive<T>(answer: &Receiver<T>) -> T {
    match answer.recv() {
        Ok(answer) => answer,
        Err(_) => panic!("the stack that this learner is part of has crashed"),
    }
}

/// What a slot waits for.
enum Wait {
    Action(Vec<f32>, Vec<f32>, Sender<Vec<f32>>),
    Update(Box<Share>, Sender<()>),
}

/// The stack's thread: until all have left.
fn serve<A: Compute>(booking: &Booking, inbox: &Receiver<Message<A>>) {
    let (mut seated, mut early) = (BTreeMap::new(), Vec::new());
    while seated.len() + booking.lost.load(Ordering::Relaxed) < booking.slots {
        // Nobody says when a ticket is given up.
        match inbox.recv_timeout(Duration::from_millis(100)) {
            Ok(Message::Sit(slot, newcomer)) => {
                seated.insert(slot, newcomer.sit());
            }
            Ok(other) => early.push(other),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    let mut table = Table {
        sac: None,
        order: Vec::new(),
        live: seated.keys().copied().collect(),
        apart: seated,
        waiting: (0..booking.slots).map(|_| None).collect(),
    };
    for message in early.into_iter().chain(inbox.iter()) {
        table.take(message);
        if table.live.is_empty() {
            return;
        }
        table.work();
    }
}

struct Table<A: Compute> {
    /// A stack of the slots in `order`, once there was something to do for all.
    sac: Option<Sac<A>>,
    order: Vec<usize>,
    /// Slots whose learners have not left, ascending.
    live: Vec<usize>,
    /// Learners that are to join the stack, or that were changed alone: newer than what the stack has.
    apart: BTreeMap<usize, Sac<A>>,
    /// By slot.
    waiting: Vec<Option<Wait>>,
}

impl<A: Compute> Table<A> {
    fn take(&mut self, message: Message<A>) {
        match message {
            Message::Sit(..) => {}
            Message::Act {
                slot,
                observation,
                noise,
                reply,
            } => self.waiting[slot] = Some(Wait::Action(observation, noise, reply)),
            Message::Update { slot, share, reply } => {
                self.waiting[slot] = Some(Wait::Update(share, reply));
            }
            Message::Alone(task) => {
                let known = self.apart.contains_key(&task.slot);
                let Some(mut one) = self.take_out(task.slot) else {
                    return;
                };
                (task.work)(&mut one);
                if task.changes || known {
                    self.apart.insert(task.slot, one);
                }
            }
            Message::Leave(slot) => {
                self.live.retain(|&l| l != slot);
                self.apart.remove(&slot);
                self.waiting[slot] = None;
            }
        }
    }

    /// The newest version of a slot's learner.
    fn take_out(&mut self, slot: usize) -> Option<Sac<A>> {
        if let Some(one) = self.apart.remove(&slot) {
            return Some(one);
        }
        let at = self.order.iter().position(|&s| s == slot)?;
        self.sac.as_ref().map(|sac| sac.slot(at))
    }

    /// The stack of all that live, as they are now. Leaving and changes are waited out, since each would
    /// copy the stack.
    fn stack(&mut self) -> Option<&mut Sac<A>> {
        if self.order != self.live || !self.apart.is_empty() {
            let live = self.live.clone();
            let parts: Vec<Sac<A>> = live.iter().filter_map(|&s| self.take_out(s)).collect();
            self.sac = Some(Sac::join(&parts.iter().collect::<Vec<_>>()));
            self.order = live;
        }
        self.sac.as_mut()
    }

    /// Serves what all wait for.
    fn work(&mut self) {
        let waits = |slot: &usize| self.waiting[*slot].as_ref();
        if !self.live.iter().all(|slot| waits(slot).is_some()) {
            return;
        }
        let acting = |slot: &usize| matches!(waits(slot), Some(Wait::Action(..)));
        if self.live.iter().any(acting) {
            self.act();
        } else {
            self.update();
        }
    }

    /// Everyone's actions; of those who did not ask, nobody hears.
    fn act(&mut self) {
        let (mut observations, mut noises, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        let Some(Dims { obs, act }) = self.stack().map(|sac| sac.dims()) else {
            return;
        };
        for &slot in &self.live {
            match self.waiting[slot].take_if(|w| matches!(w, Wait::Action(..))) {
                Some(Wait::Action(observation, noise, reply)) => {
                    observations.extend(observation);
                    noises.extend(noise);
                    replies.push(Some(reply));
                }
                _ => {
                    observations.resize(observations.len() + obs, 0.0);
                    noises.resize(noises.len() + act, 0.0);
                    replies.push(None);
                }
            }
        }
        let actions = self.stack().map(|sac| sac.act(&observations, Some(noises)));
        let actions = actions.unwrap_or_default();
        for (reply, action) in replies.into_iter().zip(actions.chunks_exact(act)) {
            if let Some(reply) = reply {
                let _ = reply.send(action.to_vec());
            }
        }
    }

    fn update(&mut self) {
        let (mut shares, mut replies) = (Vec::new(), Vec::new());
        for &slot in &self.live {
            if let Some(Wait::Update(share, reply)) = self.waiting[slot].take() {
                shares.push(*share);
                replies.push(reply);
            }
        }
        if let Some(sac) = self.stack() {
            sac.update_all(shares);
        }
        for reply in replies {
            let _ = reply.send(());
        }
    }
}
