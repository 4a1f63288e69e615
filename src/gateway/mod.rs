//! Builder, start and stop: the one room that knows all others and wires them.
//!
//! ```text
//! io-N     request ─▶ Sources ─▶ Admission ─▶ body into a Draft ─▶ Sniffer ─▶ routes::Intake ─▶ Reply     (intake.rs)
//! POOL-N   routes::Routes ─▶ sinks
//! poll     poll::Polls ─▶ journal
//! quarantine  what was refused, and its way back in                                                       (readmission.rs)
//! control  admin
//! ```

mod batch;

mod control;

mod durable;

mod intake;

mod learned;

mod placement;

mod readmission;

mod refusal_log;

mod silence;

mod sources;

mod wakes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use placement::{Cores, Placement};

use self::control::Control;
use self::durable::JournalLog;
use self::intake::{Common, Intake};
use self::readmission::Readmission;
use self::silence::SilenceWatch;
use self::sources::Sources;
use crate::admin::{Admin, Archive, Observed, ObservedSource};
use crate::admit::AdmissionError;
use crate::config::{AdminAddress, Config, GatewayConfig, SinkConfig, SourceConfig};
use crate::counters::IoCounters;
use crate::event::Budget;
use crate::journal::Journal;
use crate::listen::{Clients, IoThread, Limits, SharedStage, Sockets, Stage, Tls};
use crate::poll::{self, Polls};
use crate::routes::{Delivery, Lost, Routes};
use crate::sinks::{self, Handler, HandlerError};

/// A running gateway. Dropping it ends it at once; [`Gateway::stop`] lets it finish.
#[derive(Debug)]
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    admin: Option<AdminAddress>,
    control: Option<Control>,
    tls: Vec<Arc<Tls>>,
    stage: SharedStage,
    io: Vec<JoinHandle<()>>,
    routes: Arc<Routes>,
    /// `None` where no source is durable and there is nothing left from when one was.
    journal: Option<Arc<Journal>>,
    /// `None` where there are none.
    polls: Option<Polls>,
    /// `None` where nothing that is refused is kept.
    quarantine: Option<Readmission>,
    /// `None` where nothing is expected of any source.
    silence: Option<SilenceWatch>,
    limits: GatewayConfig,
}

/// A gateway that has not been started.
#[derive(Default)]
pub struct Builder {
    config: Option<Config>,
    handlers: BTreeMap<String, Handler>,
}

/// What a stopped gateway left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped {
    /// The routes that had accepted events into memory and did not deliver them all.
    pub lost: Vec<Lost>,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// [`Builder::config`] was not called.
    #[error("a gateway needs a configuration: call Builder::config")]
    NoConfig,
    /// A route is delivered to a handler that nobody registered.
    #[error(
        "route {0} is delivered to a handler, and none is registered: call Builder::handler({0:?}, …), or change `to`"
    )]
    NoHandler(String),
    /// A handler was registered for a route that has none.
    #[error("a handler is registered for {0:?}, and no route of that name has to = \"handler\"")]
    NoRoute(String),
    /// A source's path clashes with another.
    #[error("the path {path} cannot be served: {cause}")]
    Path {
        /// The path as configured.
        path: String,
        /// What it clashes with.
        cause: String,
    },
    /// A source's credentials cannot be used.
    #[error("source {source_name}: {cause}")]
    Admission {
        /// The source.
        source_name: String,
        /// What is wrong with them.
        #[source]
        cause: AdmissionError,
    },
    /// An address, a file or a certificate that a room needs; the error names it and says what to do.
    #[error(transparent)]
    Resource(Box<dyn Error + Send + Sync>),
    /// An io thread.
    #[error("cannot start an io thread: {0}")]
    Thread(#[from] io::Error),
}

impl StartError {
    fn resource(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Resource(Box::new(error))
    }
}

impl Builder {
    /// What it does.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Registers the handler of a route that has `to = "handler"`. It is called on a worker of the route's pool with the
    /// deliveries that wait, and may block: its pool is its own. An error, or a panic, fails all of them, and they come
    /// again as the route's `retry` says.
    #[must_use]
    pub fn handler(
        mut self,
        route: impl Into<String>,
        handler: impl Fn(&[Delivery]) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.insert(route.into(), Arc::new(handler));
        self
    }

    /// Starts all threads. When this returns the sockets are open and events are taken.
    pub fn start(mut self) -> Result<Gateway, StartError> {
        let config = self.config.take().ok_or(StartError::NoConfig)?;
        let sources = Arc::new(Sources::new(&config)?);
        let placement = Placement::plan(&config, &Cores::detect());
        let routes = Arc::new(self.start_routes(&config, &placement)?);
        let journal = start_journal(&config, &routes)?;

        let sockets = Sockets::bind(&config.gateway.listen).map_err(StartError::resource)?;
        let addresses = sockets.addresses();
        let stage = SharedStage::default();
        let budget = Arc::new(Budget::new(config.gateway.memory_budget));
        // One for the quarantine's thread, which takes events too.
        let threads = placement.io.len() + 1;
        let counters: Vec<_> = (0..threads).map(|_| Arc::new(IoCounters::new(sources.len()))).collect();
        let (quarantine, inbox) = readmission::door(&config).unzip();

        let ready_polls = poll::Ready::new(&config);
        let observed = Observed {
            stage: stage.clone(),
            sources: config.sources.iter().map(observed_source).collect(),
            io: counters.clone(),
            polls: ready_polls.observed.clone(),
            routes: Arc::clone(&routes),
            journal: journal.clone(),
            budget: Arc::clone(&budget),
            quarantine: quarantine.clone(),
            archive: Arc::new(Archive::new(&config)),
            since: SystemTime::now(),
        };
        let silence = SilenceWatch::start(&observed).map_err(StartError::Thread)?;
        let admin = config.gateway.admin.as_ref().map(|admin| Admin::bind(admin, observed));
        let admin = admin.transpose().map_err(StartError::resource)?;
        let admin_address = admin.as_ref().map(|admin| admin.address().clone());
        let mut tls = sockets.tls();
        tls.extend(admin.as_ref().and_then(Admin::tls));
        let control = Control::start(admin, tls.clone()).map_err(StartError::Thread)?;

        let clients = Arc::new(Clients::new(&config.gateway));
        let (limits, connections) = (Limits::from(&config.gateway), config.gateway.max_connections);
        let thread = IoThread::new(limits, connections, stage.clone(), Arc::clone(&clients));
        // From here on an error drops the gateway, which ends the threads that it has.
        let io = Vec::with_capacity(counters.len());
        let (admin, polls, limits) = (admin_address, None, config.gateway.clone());
        let mut gateway = Gateway {
            addresses,
            admin,
            control,
            tls,
            stage,
            io,
            routes,
            journal,
            polls,
            quarantine: None,
            silence,
            limits,
        };
        let common = Common { sources, budget: Arc::clone(&budget), stage: gateway.stage.clone(), clients, quarantine };
        if let Some((inbox, counters)) = inbox.zip(counters.last().cloned()) {
            let (journal, routes) = (gateway.journal.clone(), gateway.routes.intake());
            gateway.quarantine = Some(Readmission::start(&common, journal, routes, counters, inbox)?);
        }
        for (index, (&core, counters)) in placement.io.iter().zip(counters).enumerate() {
            let (common, intake) = (common.clone(), gateway.routes.intake());
            let (counted, journal) = (Arc::clone(&counters), gateway.journal.clone());
            let on_thread = move || {
                placement::pin(core);
                let entrance = journal.as_ref().map(|journal| journal.entrance());
                Intake::new(common, entrance, intake, counters)
            };
            gateway.io.push(thread.clone().spawn(index, sockets.share()?, on_thread, counted)?);
        }
        if let Some(journal) = gateway.journal.clone().filter(|_| !config.polls.is_empty()) {
            let polls = Polls::start(&config, journal, budget, ready_polls).map_err(StartError::resource)?;
            gateway.polls = Some(polls);
        }
        Ok(gateway)
    }

    fn start_routes(&mut self, config: &Config, placement: &Placement) -> Result<Routes, StartError> {
        let mut factories = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let handler = self.handlers.remove(&route.name);
            match (&route.to, &handler) {
                (SinkConfig::Handler, None) => return Err(StartError::NoHandler(route.name.clone())),
                (SinkConfig::Handler, Some(_)) | (_, None) => {}
                (_, Some(_)) => return Err(StartError::NoRoute(route.name.clone())),
            }
            factories.push(sinks::factory(route, handler).map_err(StartError::resource)?);
        }
        if let Some(name) = self.handlers.keys().next() {
            return Err(StartError::NoRoute(name.clone()));
        }
        let dead = config.journal.dead_dir();
        Routes::start(config, factories, &placement.pools, &dead).map_err(StartError::resource)
    }
}

impl Gateway {
    /// Begins a gateway.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use hookgate::{Gateway, config::Config};
    ///
    /// let config = Config::load("hookgate.toml".as_ref())?;
    /// let gateway = Gateway::builder()
    ///     .config(config)
    ///     .handler("billing", |deliveries| {
    ///         for delivery in deliveries {
    ///             println!("{} {:?}", delivery.event().id(), delivery.event().event_type());
    ///         }
    ///         Ok(())
    ///     })
    ///     .start()?;
    /// // …until it is time to go:
    /// let stopped = gateway.stop();
    /// assert!(stopped.lost.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it receives, with the ports that the system chose where the configuration says 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin listener is, if there is one.
    pub fn admin_address(&self) -> Option<&AdminAddress> {
        self.admin.as_ref()
    }

    /// Reads certificates, their keys and the authorities of clients again, as also happens within a second of a change to
    /// their files. Connections that are open go on with what they began with. With a mistake in its files a listener keeps
    /// what it has, and the first mistake is returned.
    pub fn reload_certificates(&self) -> Result<(), StartError> {
        let mut result = Ok(());
        for tls in &self.tls {
            if let Err(error) = tls.reload() {
                result = result.and(Err(StartError::resource(error)));
            }
        }
        result
    }

    /// The thread that has ended by a fault in hookgate, if one has: what needs it stands still, `/readyz` says so, and only
    /// another process puts it right. Stop this one then; what was acknowledged as durable is safe. To be asked now and
    /// then.
    pub fn fallen_thread(&self) -> Option<String> {
        let io = self.io.iter().find(|thread| thread.is_finished());
        io.map(|thread| thread.thread().name().unwrap_or("io").to_owned())
            .or_else(|| self.routes.fallen_thread())
            .or_else(|| self.journal.as_ref()?.fallen_thread())
            .or_else(|| self.quarantine.as_ref()?.has_fallen().then(|| "quarantine".to_owned()))
    }

    /// Stops in order: says that it is not ready, for `drain_delay`; accepts no more connections; finishes the requests in
    /// flight, then the deliveries, within `drain_timeout`. Blocks until that is done.
    pub fn stop(mut self) -> Stopped {
        drop(self.silence.take());
        drop(self.polls.take());
        self.stage.advance(Stage::NotReady);
        std::thread::sleep(self.limits.drain_delay);
        self.stage.advance(Stage::Closing);
        let deadline = Instant::now() + self.limits.drain_timeout;
        // Requests end by limits of their own; past the deadline they are cut off.
        while self.io.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stage.advance(Stage::Over);
        join_all(&mut self.io);
        self.quarantine = None;
        let lost = self.routes.drain(deadline.saturating_duration_since(Instant::now()));
        self.close_journal();
        Stopped { lost }
    }

    /// After the routes have given it their last progress.
    fn close_journal(&self) {
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The threads first: nobody looks at what is being taken apart.
        self.control = None;
        self.polls = None;
        self.stage.advance(Stage::Over);
        join_all(&mut self.io);
        self.quarantine = None;
        self.routes.drain(Duration::ZERO);
        self.close_journal();
    }
}

/// Opens the journal and lets the routes read it, before anything is written to it.
fn start_journal(config: &Config, routes: &Arc<Routes>) -> Result<Option<Arc<Journal>>, StartError> {
    let Some((journal, recovered)) = durable::open(config).map_err(StartError::resource)? else { return Ok(None) };
    let waker = routes.waker();
    journal.reader().on_published(Arc::new(move || waker.wake()));
    let log = JournalLog::new(Arc::clone(&journal));
    routes.dispatch(log, durable::saved_progress(&recovered), recovered.parked).map_err(StartError::resource)?;
    Ok(Some(journal))
}

fn observed_source(source: &SourceConfig) -> ObservedSource {
    ObservedSource { name: source.name.clone(), ack: source.ack.to_string(), expect_every: source.expect_every }
}

fn join_all(threads: &mut Vec<JoinHandle<()>>) {
    for thread in threads.drain(..) {
        if thread.join().is_err() {
            tracing::error!("an io thread panicked; its connections were cut");
        }
    }
}
