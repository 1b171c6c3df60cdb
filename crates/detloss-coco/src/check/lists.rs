//! Images and classes, in one part and between parts.

use std::collections::BTreeMap;

use super::Part;
use crate::problem::{Entry, Kind, Place, Problem};

/// The most frequent class has at most so many times the objects of the rarest.
const BALANCE: usize = 100;
/// From this share of all objects on, crowds are many.
const CROWDS: f64 = 0.1;
/// The long side of an image is at most so many times the short one.
const LONG: f64 = 5.0;
/// An image has at least this part of the pixels of the middle one, and at most so many times as many.
const AREA: f64 = 16.0;
/// Of fewer images none is the middle one.
const ENOUGH: usize = 10;

pub(super) fn check(part: &Part) -> Vec<Problem> {
    let truth = &part.truth;
    let file = part.source.file.as_path().into();
    let place = || Place::new(&file, Entry::File);
    let mut problems = Vec::new();
    let mut add = |kind, place, said| problems.push(Problem { kind, place, said });
    let of = |image: u64| Place { image: Some(truth.id(image)), ..place() };
    // Of a part that is not there it is said already.
    let is_there = !part.problems.iter().any(|problem| problem.kind == Kind::NoPart);
    if truth.annotations.is_empty() && is_there {
        add(Kind::NoObjects, place(), "no annotation can be used".into());
    }

    let mut files: BTreeMap<&str, u64> = BTreeMap::new();
    let mut areas: Vec<f64> = truth.sizes.values().map(|[w, h]| w * h).collect();
    areas.sort_by(f64::total_cmp);
    let middle = areas.get(areas.len() / 2).copied().filter(|_| areas.len() >= ENOUGH);
    for (&image, name) in &truth.images {
        if name.is_empty() {
            add(Kind::NoName, of(image), "has no file_name".into());
        } else if let Some(first) = files.insert(name, image) {
            let said = format!("{name:?} is the file of image {} already", truth.id(first));
            add(Kind::SameFile, of(image), said);
        }
        let Some([w, h]) = truth.sizes.get(&image) else {
            add(Kind::NoSize, of(image), "has no width and height, or they are no lengths".into());
            continue;
        };
        if w.max(*h) > LONG * w.min(*h) {
            add(Kind::OddSize, of(image), format!("is {w} x {h}: very long or very high"));
        } else if let Some(middle) = middle
            && !(middle / AREA..=middle * AREA).contains(&(w * h))
        {
            let than = if w * h < middle { "smaller" } else { "larger" };
            add(Kind::OddSize, of(image), format!("is {w} x {h}: much {than} than most"));
        }
    }

    let mut counts: BTreeMap<u64, usize> =
        truth.categories.keys().map(|&class| (class, 0)).collect();
    let mut full: BTreeMap<u64, usize> = BTreeMap::new();
    for object in &truth.annotations {
        *counts.entry(object.category).or_default() += 1;
        *full.entry(object.image).or_default() += 1;
    }
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for (&class, name) in &truth.categories {
        let id = truth.id(class);
        if let Some(first) = names.insert(name.trim().to_lowercase(), class) {
            let said = format!("class {id}, {name:?}, has the name of class {}", truth.id(first));
            add(Kind::SameName, place(), said);
        }
        if counts[&class] == 0 && !truth.annotations.is_empty() {
            add(Kind::EmptyClass, place(), format!("class {id}, {name:?}, has no object"));
        }
    }
    let empty: Vec<u64> =
        truth.images.keys().copied().filter(|image| !full.contains_key(image)).collect();
    if let Some(&first) = empty.first()
        && !truth.annotations.is_empty()
    {
        let said = format!(
            "{} of {} images have no object, the first: {}",
            empty.len(),
            truth.images.len(),
            truth.file(first)
        );
        add(Kind::EmptyImage, place(), said);
    }
    let most = counts.iter().max_by_key(|(_, count)| **count);
    let least = counts.iter().filter(|(_, count)| **count > 0).min_by_key(|(_, count)| **count);
    if let (Some((most, many)), Some((least, few))) = (most, least)
        && *many > BALANCE * few
    {
        let said = format!(
            "{:?} has {many} objects, {:?} has {few}",
            truth.categories[most], truth.categories[least]
        );
        add(Kind::Balance, place(), said);
    }
    let crowds = truth.annotations.iter().filter(|object| object.crowd).count();
    if crowds as f64 > CROWDS * truth.annotations.len() as f64 {
        add(
            Kind::Crowds,
            place(),
            format!("{crowds} of {} objects are crowds", truth.annotations.len()),
        );
    }
    problems
}

/// What is wrong between parts.
pub(super) fn between(parts: &[Part]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    let mut classes: BTreeMap<u64, (&str, usize)> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        let file = part.source.file.as_path().into();
        let place = || Place::new(&file, Entry::File);
        for (&image, name) in part.truth.images.iter().filter(|(_, name)| !name.is_empty()) {
            let first = *files.entry(name).or_insert(index);
            if first != index {
                let said = format!("{name:?} is in {}, too", parts[first].source.name);
                let place = Place { image: Some(part.truth.id(image)), ..place() };
                problems.push(Problem { kind: Kind::LeakedName, place, said });
            }
        }
        for (&class, name) in &part.truth.categories {
            let (known, first) = *classes.entry(class).or_insert((name, index));
            if known != name {
                let said = format!(
                    "class {} is {name:?} here, and {known:?} in {}",
                    part.truth.id(class),
                    parts[first].source.name
                );
                problems.push(Problem { kind: Kind::ClassNames, place: place(), said });
            }
        }
    }
    problems
}
