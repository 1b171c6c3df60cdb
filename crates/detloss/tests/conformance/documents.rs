//! Ids and documentation.

use std::collections::HashSet;
use std::path::Path;

use detloss::losses::ALL;
use detloss::testing::tested;

#[test]
fn ids_are_unique() {
    let names: HashSet<_> = ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), ALL.len());
    let labels: HashSet<_> = ALL.iter().map(|entry| entry.label).collect();
    assert_eq!(labels.len(), ALL.len());
}

/// The registry makes a module of the file, so the file's name is the module's too.
#[test]
fn the_id_is_the_file_and_the_family_its_folder() {
    for entry in tested() {
        let file = Path::new(entry.file);
        assert_eq!(file.file_stem().unwrap(), entry.name);
        assert_eq!(file.parent().unwrap().file_name().unwrap(), entry.family, "{}", entry.name);
        let plain =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        assert!(entry.name.chars().all(plain), "{}", entry.name);
    }
}

#[test]
fn the_documentation_has_all_its_sections() {
    for entry in tested() {
        let name = entry.name;
        let mut rest = entry.doc;
        for section in ["```text", "# Gradient", "# Conventions", "# References"] {
            let (_, after) = rest
                .split_once(section)
                .unwrap_or_else(|| panic!("{name}: {section} is missing, or out of order"));
            assert!(after.trim().len() > 20, "{name}: nothing stands under {section}");
            rest = after;
        }
        // What is older than links has a year.
        let year =
            rest.split(|letter: char| !letter.is_ascii_digit()).any(|digits| digits.len() == 4);
        assert!(year, "{name}: a reference has a year");
    }
}

#[test]
fn the_summary_is_one_short_line() {
    for entry in tested() {
        let (name, summary) = (entry.name, entry.summary());
        assert!(!summary.contains('\n'), "{name}: {summary:?} is one line");
        assert!(summary.chars().count() <= 100, "{name}: {summary:?} has at most 100 columns");
        assert!(summary.ends_with('.'), "{name}: {summary:?} ends with a full stop");
    }
}

#[test]
fn every_parameter_is_documented() {
    for (entry, param) in
        tested().iter().flat_map(|entry| entry.params.iter().map(move |param| (entry, param)))
    {
        assert!(param.doc.trim().len() > 10, "{}: {} is documented", entry.name, param.name);
        assert!(param.range.0 < param.range.1, "{}: {} can vary", entry.name, param.name);
    }
}
