//! From files to a configuration, or to all that is wrong with them.
//!
//! ```text
//! hookgate.toml        [gateway] [journal] [quarantine] [process] [ranges] [[source]] [[poll]] [[pool]] [[route]]
//! routes.d/*.toml                                                                              [[pool]] [[route]]     by name
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::document::{Reading, Sheet};
use super::problem::{self, Problem, Problems};
use super::table::Table;
use super::{AdminConfig, Config, read};

impl Config {
    /// Reads the main file and `routes.d/*.toml` beside it.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let mut unreadable = Vec::new();
        let mut files = Vec::new();
        for path in [vec![path.to_owned()], route_files(path, &mut unreadable)].concat() {
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((path, text)),
                Err(error) => unreadable.push(about_file(&path, &format!("the file cannot be read: {error}"))),
            }
        }
        read_files(&files, unreadable, &|name| std::env::var_os(name), SystemTime::now())
    }

    /// Reads of the main file only where the admin listener is and what it wants to be shown; `None` if there is to be none.
    pub(crate) fn load_admin(path: &Path) -> Result<Option<AdminConfig>, Problems> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return Err(Problems::new(vec![about_file(path, &format!("the file cannot be read: {error}"))]));
            }
        };
        let variable = |name: &str| std::env::var_os(name);
        let reading = Reading::new(path.parent().unwrap_or(Path::new("")), &variable, SystemTime::now());
        let sheet = Sheet { file: path, text: &text, reading: &reading };
        let document = sheet.parse();
        let admin = read::admin_of(&mut Table::root(&sheet, &document));
        let problems = reading.problems.take();
        if problems.is_empty() { Ok(admin) } else { Err(Problems::new(problems)) }
    }

    /// Reads a configuration from text. `name` stands for the file in messages, and relative paths start beside it.
    pub fn parse(text: &str, name: &Path) -> Result<Self, Problems> {
        let file = (name.to_owned(), text.to_owned());
        read_files(&[file], Vec::new(), &|name| std::env::var_os(name), SystemTime::now())
    }
}

/// Reads files, the main one first, after some could not be read at all; variables and the time come from the caller so that tests can choose them.
pub(super) fn read_files(
    files: &[(PathBuf, String)],
    unreadable: Vec<Problem>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    now: SystemTime,
) -> Result<Config, Problems> {
    let directory = files.first().and_then(|(main, _)| main.parent()).unwrap_or(Path::new(""));
    let reading = Reading::new(directory, variable, now);
    reading.problems.replace(unreadable);
    let sheet = |(file, text)| Sheet { file, text, reading: &reading };
    let sheets: Vec<Sheet<'_>> = files.iter().map(|(file, text)| sheet((file.as_path(), text.as_str()))).collect();
    let documents: Vec<_> = sheets.iter().map(Sheet::parse).collect();
    let no_config = || Problems::new(reading.problems.take());
    if !reading.problems.borrow().is_empty() {
        // With a file missing or broken, every name in it would be reported as unknown elsewhere.
        return Err(no_config());
    }
    let mut roots: Vec<Table<'_>> =
        sheets.iter().zip(&documents).map(|(sheet, table)| Table::root(sheet, table)).collect();
    let config = config(&mut roots);
    finish(roots);
    match config {
        Some(mut config) if reading.problems.borrow().is_empty() => {
            config.warnings = reading.warnings.take();
            problem::sort(&mut config.warnings);
            Ok(config)
        }
        _ => Err(no_config()),
    }
}

fn config(roots: &mut [Table<'_>]) -> Option<Config> {
    let main = roots.first_mut()?;
    let gateway = read::gateway(main);
    let journal = read::journal(main);
    let process = read::process(main);
    let mut sources = read::sources(main, &gateway);
    let polled = read::polls(main, &gateway, &mut sources);
    let quarantine = read::quarantine(main, &journal, &sources.configs);
    let pools = read::pools(roots);
    let deny_private = gateway.deny_private;
    let around = read::Surroundings { sources: &sources, pools: &pools, journal: &journal, deny_private };
    let routes = read::routes(roots, &around);
    let taken: Vec<usize> = routes.iter().flat_map(|route| &route.from).map(|from| from.source).collect();
    sources.warn_of_unread(&taken);
    let mut used: Vec<usize> = routes.iter().map(|route| route.pool).collect();
    // The default pool is there for whoever writes no other.
    used.push(0);
    pools.warn_of_idle(&used);
    Some(Config {
        gateway,
        journal,
        process,
        quarantine,
        sources: sources.configs,
        polls: polled,
        routes,
        pools: pools.configs,
        warnings: Vec::new(),
    })
}

fn finish(roots: Vec<Table<'_>>) {
    for (at, root) in roots.into_iter().enumerate() {
        if at == 0 {
            root.finish();
        } else {
            root.finish_with(|_, _| {
                "write it in the main file: only [[route]] and [[pool]] stand in routes.d".to_owned()
            });
        }
    }
}

/// The files of `routes.d`, by name, none if there is no such directory. Hidden ones are left out: editors and mounts keep their own there.
fn route_files(main: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let directory = main.parent().unwrap_or(Path::new("")).join("routes.d");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(about_file(&directory, &format!("the directory cannot be read: {error}")));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => files.push(entry.path()),
            Err(error) => problems.push(about_file(&directory, &format!("the directory cannot be read: {error}"))),
        }
    }
    let is_hidden = |file: &Path| file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml") && !is_hidden(file));
    files.sort();
    files
}

fn about_file(file: &Path, what: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        line: 0,
        column: 0,
        key: String::new(),
        what: what.to_owned(),
        help: "name a file of UTF-8 text that this user may read; `hookgate init` prints one to begin with".to_owned(),
    }
}
