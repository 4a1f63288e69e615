//! The threads of a process, by their names.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::thread::Pid;

use super::cores::Cores;

/// Time on a core by the thread's name; threads of one name together.
pub(crate) fn thread_times(pid: u32) -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    for (name, task) in tasks(pid) {
        let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        let nanos = text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or_default();
        *times.entry(name).or_default() += Duration::from_nanos(nanos);
    }
    times
}

/// Moves all threads of this name to these cores. A thread that was started has its name when it first runs, which on a busy
/// core takes a while.
pub(crate) fn move_thread(pid: u32, name: &str, cores: &Cores) -> anyhow::Result<()> {
    let give_up = Instant::now() + NAMED_WITHIN;
    let threads = loop {
        let named: Vec<_> = tasks(pid).into_iter().filter(|(comm, _)| comm == name).collect();
        if !named.is_empty() {
            break named;
        }
        ensure!(Instant::now() < give_up, "there is no thread {name} in process {pid}");
        std::thread::sleep(LOOK_EVERY);
    };
    for (_, task) in threads {
        let number = task.file_name().and_then(|number| number.to_str()?.parse().ok()).and_then(Pid::from_raw);
        cores.put(Some(number.context("a thread has no number")?))?;
    }
    Ok(())
}

const NAMED_WITHIN: Duration = Duration::from_secs(2);

const LOOK_EVERY: Duration = Duration::from_millis(5);

fn tasks(pid: u32) -> Vec<(String, PathBuf)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| Some((fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned(), task.path())))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustix::thread::{gettid, sched_getaffinity};

    use super::*;

    #[test]
    fn the_threads_of_a_process_are_seen() {
        let own = thread_times(std::process::id());
        assert!(own.values().any(|time| !time.is_zero()), "{own:?}");
    }

    #[test]
    fn a_thread_is_moved_by_its_name_and_no_other_is() {
        let (started, thread) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread_of = std::thread::Builder::new().name("mover".into()).spawn(move || {
            started.send(gettid()).unwrap();
            let _ = ended.recv();
        });
        let (moved, own) = (thread.recv().unwrap(), sched_getaffinity(None).unwrap());
        let core = (0..1024).find(|&core| own.is_set(core)).unwrap();
        move_thread(std::process::id(), "mover", &core.to_string().parse().unwrap()).unwrap();
        assert_eq!(sched_getaffinity(Some(moved)).unwrap().count(), 1);
        assert_eq!(sched_getaffinity(None).unwrap(), own);
        assert!(move_thread(std::process::id(), "nobody", &"0".parse().unwrap()).is_err());
        drop(end);
        thread_of.unwrap().join().unwrap();
    }
}
