//! A call that is cancelled says so, and ends soon.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use detloss::Error;
use detloss::matching::ALL;

use crate::laws::Given;
use crate::scenes::{Random, Scene, scenes};

#[test]
fn matching_that_is_cancelled_is_an_error() {
    let (set, unset) = (AtomicBool::new(true), AtomicBool::new(false));
    for entry in ALL {
        let matcher = entry.make();
        for scene in scenes() {
            let given = Given::new(entry, &scene, |value| value);
            let image = given.image();
            let expected = given.matched(&matcher);
            assert_eq!(matcher.match_image(&image.cancelled_by(&unset)), Ok(expected));
            assert_eq!(matcher.match_image(&image.cancelled_by(&set)), Err(Error::Cancelled));
            // And not the error of an image.
            let images = [image, image.cancelled_by(&set)];
            assert_eq!(matcher.match_images(&images), Err(Error::Cancelled), "{}", entry.name);
        }
    }
}

#[test]
fn it_is_cancelled_within_an_image() {
    let mut random = Random(29);
    let truth = |_| {
        let [x, y] = [120.0, 80.0].map(|most| random.between(0.0, most));
        [x, y, x + 40.0, y + 40.0]
    };
    let truths = (0..20_000).map(truth).collect();
    let scene = Scene::new("crowded", truths, &mut Random(5));
    let mut late = Vec::new();
    for entry in ALL {
        let (matcher, given) = (entry.make(), Given::new(entry, &scene, |value| value));
        let image = given.image();
        let start = Instant::now();
        matcher.match_image(&image).unwrap();
        let whole = start.elapsed();
        // Many attempts: other work may hold up the thread that sets the flag, and one that is early will do.
        let is_early = (0..200).any(|_| {
            let flag = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(whole / 8);
                    flag.store(true, Ordering::Relaxed);
                });
                let start = Instant::now();
                let got = matcher.match_image(&image.cancelled_by(&flag));
                got == Err(Error::Cancelled) && start.elapsed() < whole / 2
            })
        });
        late.extend((!is_early).then_some((entry.name, whole)));
    }
    assert!(late.is_empty(), "{late:?}");
}
