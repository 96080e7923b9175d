//! The house rules of CONTRIBUTING.md, checked over every file that git knows.

#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not right")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The most lines of a source file; tests and benches may have [`TEST_LINES`].
const LINES: usize = 500;
const TEST_LINES: usize = 600;
const COLUMNS: usize = 100;
const FUNCTION_LINES: usize = 70;

/// One Rust file.
struct Source {
    name: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        ["tests/", "benches/", "/tests/", "/tests.rs"].iter().any(|part| self.name.contains(part))
    }

    /// Line numbers and lines.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The names of all files of the project: what git tracks or would, else what lies there.
fn names() -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(top()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = git.output().ok().filter(|output| output.status.success());
    let mut names: Vec<String> = match listed {
        Some(output) => String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect(),
        None => walk(&top()),
    };
    names.retain(|name| top().join(name).is_file());
    names.sort();
    names.dedup();
    assert!(names.len() > 20, "{names:?}");
    names
}

fn walk(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && !path.ends_with("target") {
            names.extend(walk(&path));
        } else if path.is_file() {
            names.push(path.strip_prefix(top()).unwrap().to_string_lossy().into_owned());
        }
    }
    names
}

fn sources() -> Vec<Source> {
    let rust = names().into_iter().filter(|name| name.ends_with(".rs"));
    rust.map(|name| Source { text: fs::read_to_string(top().join(&name)).unwrap(), name }).collect()
}

/// Fails with all complaints at once.
#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    // A file begins with a `//!` that says which question it answers.
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(&silent.map(|source| format!("{}: no //! at the top", source.name)).collect::<Vec<_>>());
}

#[test]
fn sizes() {
    // Files and lines have a length that one can take in.
    let mut complaints = Vec::new();
    for source in sources() {
        let most = if source.is_test() { TEST_LINES } else { LINES };
        let count = source.lines().count();
        if count > most {
            complaints.push(format!("{}: {count} lines, over {most}", source.name));
        }
        for (number, line) in source.lines() {
            let columns = line.chars().count();
            if columns > COLUMNS && without_texts(line).chars().count() > COLUMNS {
                complaints.push(format!("{}:{number}: {columns} columns", source.name));
            }
        }
    }
    none(&complaints);
}

/// The line without what cannot be broken: string literals and URLs.
fn without_texts(line: &str) -> String {
    let code: Vec<&str> = line.split('"').step_by(2).collect();
    let words = code.concat();
    words.split(' ').filter(|word| !word.contains("://")).collect::<Vec<_>>().join(" ")
}

#[test]
fn functions() {
    // No function is longer than a screen.
    let mut complaints = Vec::new();
    for source in sources() {
        for (name, start, lines) in bodies(&source) {
            if lines.len() > FUNCTION_LINES {
                let count = lines.len();
                complaints.push(format!("{}:{start}: {name} has {count} lines", source.name));
            }
        }
    }
    none(&complaints);
}

/// The functions of a file that rustfmt has formatted: name, first line, and all lines.
fn bodies(source: &Source) -> Vec<(String, usize, Vec<&str>)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some((before, rest)) = code.split_once("fn ") else { continue };
        let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
        if !before.split_whitespace().all(|word| words.contains(&word)) {
            continue;
        }
        // The signature ends where a line opens the body, holds all of it, or has none.
        let opened = lines[at..].iter().position(|line| line.ends_with(['{', '}', ';']));
        let Some(opened) = opened.filter(|o| !lines[at + o].ends_with(';')) else { continue };
        let close = format!("{indent}}}");
        let end = match lines[at + opened].ends_with('{') {
            true => lines[at..].iter().position(|line| *line == close),
            false => Some(opened),
        };
        if let Some(end) = end {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            found.push((name.to_owned(), at + 1, lines[at..=at + end].to_vec()));
        }
    }
    found
}

#[test]
fn nothing_is_left_for_later() {
    // What is not done is no comment in the code, and no test is switched off.
    let words = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!", "#[ignore"];
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.name != "tests/tidy.rs") {
        for (number, line) in source.lines() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{number}: {word}", source.name));
            }
        }
    }
    none(&complaints);
}

#[test]
fn tests_say_their_property() {
    // A test begins with a comment: what must hold. The functions of `on_every_runtime` are tests.
    let mut complaints = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (name, start, body) in bodies(&source) {
            let above = lines[..start - 1].iter().rev().take_while(|l| l.trim().starts_with("#["));
            let on_runtimes = source.name.starts_with("tests/")
                && (body[0].contains("(server: &Server)")
                    || body[0].contains("(runtime: &Runtime)"))
                && listed(&source.text, &name);
            let is_test = on_runtimes || above.into_iter().any(|l| l.trim() == "#[test]");
            let is_macro = source.name.starts_with("tests/e2e/support/");
            let says = body.get(1).is_some_and(|line| line.trim().starts_with("// "));
            if is_test && !says && !is_macro {
                complaints.push(format!("{}:{start}: {name} has no property", source.name));
            }
        }
    }
    none(&complaints);
}

/// Whether the name stands in one of the lists of `on_every_runtime`.
fn listed(text: &str, name: &str) -> bool {
    text.split("on_every_runtime!").skip(1).any(|rest| {
        let list = rest.split([']', ')']).next().unwrap_or_default();
        list.split([',', '[', ';', ' ', '\n']).any(|word| word == name)
    })
}

#[test]
fn threats_have_their_tests() {
    // Every test that SECURITY.md names is there.
    let text = fs::read_to_string(top().join("SECURITY.md")).unwrap();
    let (mut complaints, mut count) = (Vec::new(), 0);
    for named in text.split('`').skip(1).step_by(2) {
        let Some((file, tests)) = named.split_once(".rs: ") else { continue };
        let source = fs::read_to_string(top().join(format!("{file}.rs"))).unwrap_or_default();
        for test in tests.split(' ') {
            count += 1;
            let starts = [format!("fn {test}("), format!("    {test}: \"")];
            if !starts.iter().any(|start| source.contains(start)) {
                complaints.push(format!("SECURITY.md: no {test} in {file}.rs"));
            }
        }
    }
    none(&complaints);
    assert!(count > 50, "{count}");
}

/// The manifests of all crates: name, and the names of the packages of `[dependencies]`.
fn manifests() -> BTreeMap<String, (String, Vec<String>)> {
    let mut all = BTreeMap::new();
    let apart = ["fuzz/", "tests/clients/"]; // workspaces of their own
    let ours = |n: &&String| !apart.iter().any(|dir| n.starts_with(dir));
    for name in names().iter().filter(|n| n.ends_with("Cargo.toml")).filter(ours) {
        let text = fs::read_to_string(top().join(name)).unwrap();
        let package = text.split("[package]\nname = \"").nth(1).unwrap();
        let package = package.split('"').next().unwrap().to_owned();
        let mut found = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                inside = header == "dependencies]";
                found.extend(
                    header
                        .strip_prefix("dependencies.")
                        .map(|n| n.trim_end_matches(']').to_owned()),
                );
            } else if inside && line.contains('=') {
                let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
                found.push(name.to_owned());
            }
        }
        all.insert(package, (text, found));
    }
    all
}

#[test]
fn lints_hold_everywhere() {
    // Unsafe code is forbidden in the workspace, and every crate takes the lints of the workspace.
    let manifests = manifests();
    assert!(manifests["lobos"].0.contains("unsafe_code = \"forbid\""));
    for (name, (text, _)) in &manifests {
        // This one has a single `unsafe` block, and else the same lints.
        let own = name == "lobos-md5" && text.contains("unsafe_code = \"deny\"");
        assert!(own || text.contains("[lints]\nworkspace = true\n"), "{name}");
    }
    let (ours, all) = (&manifests["lobos-md5"].0, &manifests["lobos"].0);
    let lints = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.ends_with("lints.rust]"));
        let lints = lines.take_while(|line| *line != "[dev-dependencies]" && *line != "[package]");
        lints.filter(|l| l.contains('=') && !l.contains("unsafe")).map(Into::into).collect()
    };
    assert_eq!(lints(ours), lints(all));
    let is_unsafe =
        |source: &Source| source.lines().filter(|(_, l)| l.contains(" unsafe {")).count();
    let blocks: usize = sources().iter().filter(|s| s.name != "tests/tidy.rs").map(is_unsafe).sum();
    assert_eq!(blocks, 1, "one block, in lobos-md5");
}

#[test]
fn dependencies_point_one_way() {
    // proto <- fs; proto <- drive <- drivers; the store and the drivers do not know each other.
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("lobos-md5", &[][..]),
        ("lobos-digest", &["lobos-md5"]),
        ("lobos-proto", &["lobos-digest"]),
        ("lobos-fs", &["lobos-digest", "lobos-proto"]),
        ("lobos-page", &["lobos-digest"]),
        ("lobos-drive", &["lobos-proto"]),
        ("lobos-mio", &["lobos-drive", "lobos-proto"]),
        ("lobos-tokio", &["lobos-drive", "lobos-proto"]),
        ("lobos-smol", &["lobos-drive", "lobos-proto"]),
    ]);
    for (name, (_, found)) in manifests() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            assert_eq!(name, "lobos", "say in this test what {name} may depend on");
            continue;
        };
        for dependency in found.iter().filter(|d| d.starts_with("lobos-")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn the_core_depends_on_little() {
    // The core has no runtime and nothing that does I/O among its dependencies.
    let allowed = [
        "data-encoding",
        "hmac",
        "httparse",
        "httpdate",
        "lobos-digest",
        "memchr",
        "percent-encoding",
        "quick-xml",
        "serde_json",
        "sha1",
        "sha2",
    ];
    for dependency in &manifests()["lobos-proto"].1 {
        assert!(allowed.contains(&dependency.as_str()), "{dependency}");
    }
}
