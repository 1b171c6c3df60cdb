use detloss::{Batch, losses};
use detloss::batch::Level;
use std::time::Instant;
fn main() {
    let mut s = 1u64; let mut r = move || { s ^= s << 13; s ^= s >> 7; s ^= s << 17; (s >> 40) as f32 / (1u32 << 24) as f32 };
    for (n, what) in [(1024usize, "in cache"), (1<<22, "out")] {
    let mut boxes = |n: usize| -> Vec<f32> { (0..n).flat_map(|_| { let (x,y,w,h)=(r()*10.,r()*10.,1.+r()*5.,1.+r()*5.); [x,y,x+w,y+h] }).collect() };
    let (p, t) = (boxes(n), boxes(n));
    let lab: Vec<f32> = t.iter().map(|x| if *x > 9. {1.} else {0.}).collect();
    let mut g = vec![0f32; 4*n];
    for l in losses::ALL {
        for level in Level::available() {
            let loss = l.default();
            let tt = if l.family == "scores" { &lab } else { &t };
            let b = Batch::new(&p, tt).level(level).threads(false).sum();
            let mut best = f64::MAX;
            let reps = if n < 5000 { 200 } else {1};
            for _ in 0..9 { let t0 = Instant::now(); for _ in 0..reps { std::hint::black_box(b.value_and_grad_into(&*loss, &mut g).unwrap()); } best = best.min(t0.elapsed().as_secs_f64() / reps as f64); }
            let units = if l.family == "boxes" { n } else { 4*n };
            println!("{what} {:10} {:8} {:.3} ns/unit", l.name, level.name(), best*1e9/units as f64);
        }
    }}
}
