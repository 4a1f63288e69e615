//! The `control` thread: the admin listener, and a look at the certificates' files every second.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::admin::Admin;
use crate::listen::Tls;

/// The running thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Control {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Whoever renews a certificate does so days before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Control {
    /// Starts the thread, or none if there is nothing for it to do.
    pub(super) fn start(admin: Option<Admin>, tls: Vec<Arc<Tls>>) -> io::Result<Option<Self>> {
        if admin.is_none() && tls.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                if let Some(admin) = admin {
                    tokio::task::spawn_local(admin.serve());
                }
                if !tls.is_empty() {
                    tokio::task::spawn_local(watch(tls));
                }
                let _ = stopped.await;
            });
            // A search that reads on keeps nobody waiting.
            runtime.shutdown_background();
        })?;
        Ok(Some(Self { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn watch(tls: Vec<Arc<Tls>>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        for tls in &tls {
            match tls.reload_if_changed() {
                None => {}
                Some(Ok(())) => tracing::info!(certificate = %tls.name().display(), "a changed certificate is in use"),
                Some(Err(error)) => {
                    tracing::warn!(%error, "certificates have changed and cannot be used yet; those before stay in use");
                }
            }
        }
    }
}
