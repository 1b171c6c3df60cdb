//! The bandwidth of this machine's memory: `a[i] = b[i] + s · c[i]`, the traffic of a fused loss without its arithmetic.

/// Ordinary stores, as the losses use them.
pub(crate) fn ordinary(a: &mut [f32], b: &[f32], c: &[f32]) {
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a = b + 0.5 * c;
    }
}

/// Stores that go around the cache: the most the memory gives.
#[cfg(target_arch = "x86_64")]
pub(crate) fn streaming(a: &mut [f32], b: &[f32], c: &[f32]) {
    use std::arch::x86_64::{
        _mm_add_ps, _mm_loadu_ps, _mm_mul_ps, _mm_set1_ps, _mm_sfence, _mm_stream_ps,
    };
    let skip = a.as_ptr().align_offset(16).min(a.len());
    ordinary(&mut a[..skip], &b[..skip], &c[..skip]);
    let blocks =
        a[skip..].chunks_exact_mut(4).zip(b[skip..].chunks_exact(4)).zip(c[skip..].chunks_exact(4));
    for ((a, b), c) in blocks {
        // SAFETY: each chunk has four elements, and `a` starts at a multiple of 16 bytes.
        unsafe {
            let sum = _mm_add_ps(
                _mm_loadu_ps(b.as_ptr()),
                _mm_mul_ps(_mm_loadu_ps(c.as_ptr()), _mm_set1_ps(0.5)),
            );
            _mm_stream_ps(a.as_mut_ptr(), sum);
        }
    }
    // SAFETY: SSE is part of x86-64.
    unsafe { _mm_sfence() };
}

/// Only x86 has such stores on stable Rust.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn streaming(a: &mut [f32], b: &[f32], c: &[f32]) {
    ordinary(a, b, c);
}

type Kernel = fn(&mut [f32], &[f32], &[f32]);

/// One kernel on both halves at once.
pub(crate) fn on_two_threads(kernel: Kernel, a: &mut [f32], b: &[f32], c: &[f32]) {
    let half = a.len() / 2;
    let (low, high) = a.split_at_mut(half);
    rayon::join(|| kernel(low, &b[..half], &c[..half]), || kernel(high, &b[half..], &c[half..]));
}
