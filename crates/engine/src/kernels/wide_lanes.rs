//! Sixteen floats side by side, for the loops of attention: as many positions as a page of the cache has.
//!
//! Where registers hold eight, two of them make sixteen ([`Pair`]); with AVX-512 it is one register. Since lanes run
//! across outputs, a loop gives the same bits with either.

use super::lanes::{Arithmetic, LANES, Lanes};

/// The number of lanes.
pub(crate) const WIDE_LANES: usize = 2 * LANES;

/// Sixteen `f32`.
pub(crate) trait WideLanes: Arithmetic {
    /// Half of it.
    type Eight: Lanes;
    /// How many sums of this width the registers hold, beside what a loop of multiply-adds needs.
    const SUMS: usize;

    /// Sixteen values in order.
    fn load(source: &[f32; WIDE_LANES]) -> Self;
    /// Sixteen half-precision values in order, exactly.
    fn load_f16(source: &[u16; WIDE_LANES]) -> Self;
    /// Writes the values in order.
    fn store(self, target: &mut [f32; WIDE_LANES]);
}

/// Two times eight.
#[derive(Clone, Copy)]
pub(crate) struct Pair<L>(L, L);

impl<L: Lanes> Arithmetic for Pair<L> {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Pair(L::splat(value), L::splat(value))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Pair(self.0.add(other.0), self.1.add(other.1))
    }
    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        Pair(self.0.subtract(other.0), self.1.subtract(other.1))
    }
    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        Pair(self.0.multiply(other.0), self.1.multiply(other.1))
    }
    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        Pair(self.0.divide(other.0), self.1.divide(other.1))
    }
    #[inline(always)]
    fn multiply_add(self, factor: Self, summand: Self) -> Self {
        Pair(self.0.multiply_add(factor.0, summand.0), self.1.multiply_add(factor.1, summand.1))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Pair(self.0.larger(other.0), self.1.larger(other.1))
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Pair(self.0.power_of_two(), self.1.power_of_two())
    }
}

impl<L: Lanes> WideLanes for Pair<L> {
    type Eight = L;
    const SUMS: usize = 6;

    #[inline(always)]
    fn load(source: &[f32; WIDE_LANES]) -> Self {
        let [low, high] = halves(source);
        Pair(L::load(low), L::load(high))
    }
    #[inline(always)]
    fn load_f16(source: &[u16; WIDE_LANES]) -> Self {
        let [low, high] = halves(source);
        Pair(L::load_f16(low), L::load_f16(high))
    }
    #[inline(always)]
    fn store(self, target: &mut [f32; WIDE_LANES]) {
        let (low, high) = target.split_at_mut(LANES);
        for (half, target) in [(self.0, low), (self.1, high)] {
            for target in target.as_chunks_mut::<LANES>().0 {
                half.store(target);
            }
        }
    }
}

/// The first eight and the last eight.
#[inline(always)]
fn halves<T>(sixteen: &[T; WIDE_LANES]) -> [&[T; LANES]; 2] {
    let eights = sixteen.as_chunks::<LANES>().0;
    [&eights[0], &eights[1]]
}

#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512Lanes;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "AVX-512 intrinsics")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::super::lanes::{Arithmetic, Avx2Lanes};
    use super::{WIDE_LANES, WideLanes};

    /// One AVX-512 register. Values of it are made only inside functions compiled for AVX-512, which
    /// `run_with_wide_lanes!` enters only where the processor has it; every `SAFETY` below rests on that.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512Lanes(__m512);

    impl Arithmetic for Avx512Lanes {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn subtract(self, other: Self) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe { _mm512_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn multiply(self, other: Self) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn divide(self, other: Self) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe { _mm512_div_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn multiply_add(self, factor: Self, summand: Self) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe { _mm512_fmadd_ps(self.0, factor.0, summand.0) })
        }
        #[inline(always)]
        fn larger(self, other: Self) -> Self {
            // SAFETY: AVX-512 is there, see the type. `vmaxps` gives its second operand unless the first is greater.
            Avx512Lanes(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn power_of_two(self) -> Self {
            // SAFETY: AVX-512 is there, see the type.
            Avx512Lanes(unsafe {
                let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
                _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
            })
        }
    }

    impl WideLanes for Avx512Lanes {
        type Eight = Avx2Lanes;
        const SUMS: usize = 12;

        #[inline(always)]
        fn load(source: &[f32; WIDE_LANES]) -> Self {
            // SAFETY: the array is 64 readable bytes; the load needs no alignment.
            Avx512Lanes(unsafe { _mm512_loadu_ps(source.as_ptr()) })
        }
        #[inline(always)]
        fn load_f16(source: &[u16; WIDE_LANES]) -> Self {
            // SAFETY: the array is 32 readable bytes; the load needs no alignment.
            Avx512Lanes(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(source.as_ptr().cast())) })
        }
        #[inline(always)]
        fn store(self, target: &mut [f32; WIDE_LANES]) {
            // SAFETY: the array is 64 writable bytes; the store needs no alignment.
            unsafe { _mm512_storeu_ps(target.as_mut_ptr(), self.0) }
        }
    }
}
