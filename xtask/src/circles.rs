//! Imports run downwards: no circles among the files of a folder.
//!
//! A folder counts to the file that declares it, and a re-export is no import. That this file and those of its folder use each other is how
//! modules are written in Rust, and no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;

/// A module or an item by its names, from the root of the crate.
type Path = Vec<String>;

/// The files of a crate, each with the paths that it imports.
type Files = BTreeMap<Path, Vec<Path>>;

/// The imports that close a circle, among sources by their paths from the root of the repository.
pub(crate) fn find(sources: &[(String, String)]) -> Vec<String> {
    let mut crates: BTreeMap<&str, Files> = BTreeMap::new();
    for (path, text) in sources {
        let Some((root, file)) = path.split_once("/src/") else { continue };
        let names = file.trim_end_matches(".rs").split('/').map(str::to_owned);
        let file: Path = names.filter(|name| name != "lib" && name != "main").collect();
        if !file.iter().any(|name| name == "tests") {
            crates.entry(root).or_default().insert(file, imports(text));
        }
    }
    let mut edges = BTreeSet::new();
    for (root, files) in crates {
        for (file, paths) in &files {
            for to in paths.iter().filter_map(|path| home(&files, file, path)) {
                let shared = file.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (file.get(shared), to.get(shared)) {
                    let folder = format!("{root}/src/{}", file[..shared].join("/"));
                    edges.insert((folder, from.clone(), to.clone()));
                }
            }
        }
    }
    // What no other file of its folder imports, or what imports none, is in no circle.
    let mut before = BTreeSet::new();
    while before != edges {
        before = edges.clone();
        edges.retain(|(folder, from, to)| {
            before.iter().any(|(other, _, imported)| (other, imported) == (folder, from))
                && before.iter().any(|(other, importing, _)| (other, importing) == (folder, to))
        });
    }
    let shown = |(folder, from, to)| {
        format!(
            "{folder}: imports run in a circle by {from} → {to}: what both need belongs into a file below them"
        )
    };
    edges.into_iter().map(shown).collect()
}

/// The paths that a file imports, but for its tests.
fn imports(text: &str) -> Vec<Path> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().flat_map(|line| line.split("//").next()).collect();
    let code = code.join(" ");
    let trees = code.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names =
        |path: String| path.trim_end_matches("::self").split("::").map(str::to_owned).collect();
    trees.flat_map(branches).map(names).collect()
}

/// The paths of `a::{b, c::{d, e}}`.
fn branches(tree: &str) -> Vec<String> {
    let Some((stem, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let mut depth = 0;
    let parts = rest.trim_end().trim_end_matches('}').split(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let parts = parts.filter(|part| !part.trim().is_empty()).flat_map(branches);
    parts.map(|part| stem.trim().to_owned() + &part).collect()
}

/// The file that `path` leads to from `file`, through what others re-export; None if that is another crate.
fn home(files: &Files, file: &[String], path: &[String]) -> Option<Path> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let whole = match path.first()?.as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [file, &path[1..]].concat(),
        "super" => [file.get(..file.len().checked_sub(ups)?)?, &path[ups..]].concat(),
        _ if files.contains_key(&[file, from_ref(&path[0])].concat()) => [file, path].concat(),
        _ => return None,
    };
    let known = (0..=whole.len()).rev().find(|&names| files.contains_key(&whole[..names]))?;
    let (file, name) = (&whole[..known], whole.get(known));
    let passed_on = files[file].iter().find(|path| path.len() > 1 && path.last() == name);
    passed_on.and_then(|path| home(files, file, path)).or_else(|| Some(file.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::find;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let source =
            |(file, text): &(&str, &str)| (format!("crates/a/src/{file}"), (*text).to_owned());
        let found = find(&files.iter().map(source).collect::<Vec<_>>());
        let edge = |line: String| {
            line.split(": ").nth(1).map(|rest| rest.replace("imports run in a circle by ", ""))
        };
        found.into_iter().filter_map(edge).collect()
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let two = [
            ("lib.rs", ""),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use std::fmt;\nuse super::b::{\n    B,\n};"),
        ];
        assert_eq!(circles(&two), ["b → c", "c → b"]);
        assert!(circles(&two[..2]).is_empty());
        let found =
            find(&two.map(|(file, text)| (format!("crates/a/src/{file}"), text.to_owned())));
        assert!(
            found[0].starts_with("crates/a/src/: ") && found[0].contains("a file below"),
            "{found:?}"
        );
    }

    #[test]
    fn a_circle_may_go_through_a_re_export_or_a_folder_and_other_files_are_not_blamed() {
        let through = |d: &'static str| {
            [
                ("lib.rs", "mod b;\npub use b::{self, x::{B, Other}};"),
                ("b.rs", "mod x;"),
                ("b/x.rs", "use super::super::c::C;"),
                ("c.rs", d),
                ("e.rs", "use crate::c::C;"),
            ]
        };
        assert_eq!(circles(&through("use crate::B;")), ["b → c", "c → b"]);
        assert_eq!(circles(&through("use crate::{b, f};")), ["b → c", "c → b"]);
        assert!(circles(&through("use crate::Unknown;")).is_empty());
    }

    #[test]
    fn a_file_and_its_folder_are_none_nor_are_tests_comments_and_other_crates() {
        let below = [
            ("b.rs", "mod c;\npub use c::C;\nuse self::c::D;"),
            ("b/c.rs", "use super::B;\nuse super::*;"),
        ];
        assert!(circles(&below).is_empty());
        let tests =
            "// use crate::c::C;\nuse c::C;\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}";
        assert!(
            circles(&[
                ("b.rs", tests),
                ("c.rs", "use crate::b::B;"),
                ("b/tests.rs", "use crate::c::C;")
            ])
            .is_empty()
        );
    }
}
