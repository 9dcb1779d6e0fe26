//! Eight floats side by side: the vocabulary in which element-wise kernels are written.
//!
//! [`PortableLanes`] defines what each operation means; [`Avx2Lanes`] does the same in one instruction. Only
//! operations that IEEE 754 defines to the bit are offered (no reciprocal estimates, no reductions but the one
//! fixed tree), so a kernel over [`Lanes`] gives the same bits whichever is used.

use half::f16;

/// The number of lanes.
pub(crate) const LANES: usize = 8;

/// Some `f32`, each operation lane by lane: what can be said without knowing how many.
pub(crate) trait Arithmetic: Copy {
    /// The same value in every lane.
    fn splat(value: f32) -> Self;
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn subtract(self, other: Self) -> Self;
    /// `self · other`.
    fn multiply(self, other: Self) -> Self;
    /// `self / other`, correctly rounded.
    fn divide(self, other: Self) -> Self;
    /// `self · factor + summand`, rounded once.
    fn multiply_add(self, factor: Self, summand: Self) -> Self;
    /// `if self > other { self } else { other }`: of a pair with a NaN, `other`.
    fn larger(self, other: Self) -> Self;
    /// 2 to the power of `self`, which is a whole number from −126 to 127.
    fn power_of_two(self) -> Self;

    /// e to the power of `self`, for finite values; the argument is clamped to −87 … 88.
    ///
    /// Range reduction by ln 2 in two parts, then the polynomial of Cephes' `expf`; relative error below 2⁻²².
    #[inline(always)]
    fn exponential(self) -> Self {
        /// Adding and subtracting 1.5 · 2²³ rounds to a whole number, ties to even.
        const ROUNDER: f32 = 12_582_912.0;
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        const POLYNOMIAL: [f32; 6] =
            [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];

        let x = self.larger(Self::splat(-87.0));
        // The smaller of two, through the one comparison that there is.
        let x = Self::splat(0.0).subtract(Self::splat(0.0).subtract(x).larger(Self::splat(-88.0)));
        let rounder = Self::splat(ROUNDER);
        let n = x.multiply_add(Self::splat(std::f32::consts::LOG2_E), rounder).subtract(rounder);
        let r = n.multiply_add(Self::splat(-LN_2_HIGH), x);
        let r = n.multiply_add(Self::splat(-LN_2_LOW), r);
        let mut p = Self::splat(POLYNOMIAL[0]);
        for coefficient in &POLYNOMIAL[1..] {
            p = p.multiply_add(r, Self::splat(*coefficient));
        }
        let y = p.multiply_add(r.multiply(r), r).add(Self::splat(1.0));
        y.multiply(n.power_of_two())
    }
}

/// Eight `f32`.
pub(crate) trait Lanes: Arithmetic {
    /// Eight values in order.
    fn load(source: &[f32; LANES]) -> Self;
    /// Eight half-precision values in order, exactly.
    fn load_f16(source: &[u16; LANES]) -> Self;
    /// Writes the values in order.
    fn store(self, target: &mut [f32; LANES]);
    /// Writes the values in half precision, rounded to nearest, ties to even.
    fn store_f16(self, target: &mut [u16; LANES]);
    /// The absolute value.
    fn absolute(self) -> Self;
    /// The whole part, towards zero.
    fn truncated(self) -> Self;
    /// Writes whole numbers from −128 to 127 as bytes, in order.
    fn store_bytes(values: [Self; 4], target: &mut [i8; 4 * LANES]);

    /// The values in order.
    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut values = [0.0; LANES];
        self.store(&mut values);
        values
    }

    /// The sum of all lanes by the one tree that every sum here uses.
    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.to_array();
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    /// The largest lane; none is NaN, and zeros count as equal.
    #[inline(always)]
    fn largest(self) -> f32 {
        let values = self.to_array();
        let mut largest = values[0];
        for value in values {
            largest = if value > largest { value } else { largest };
        }
        largest
    }
}

/// The definition, in plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct PortableLanes([f32; LANES]);

impl PortableLanes {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        PortableLanes(std::array::from_fn(|lane| operation(self.0[lane], other.0[lane])))
    }
}

impl Arithmetic for PortableLanes {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        PortableLanes([value; LANES])
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn multiply_add(self, factor: Self, summand: Self) -> Self {
        PortableLanes(std::array::from_fn(|lane| self.0[lane].mul_add(factor.0[lane], summand.0[lane])))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        PortableLanes(self.0.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)))
    }
}

impl Lanes for PortableLanes {
    #[inline(always)]
    fn load(source: &[f32; LANES]) -> Self {
        PortableLanes(*source)
    }
    #[inline(always)]
    fn load_f16(source: &[u16; LANES]) -> Self {
        PortableLanes(std::array::from_fn(|lane| single_from_half(source[lane])))
    }
    #[inline(always)]
    fn store(self, target: &mut [f32; LANES]) {
        *target = self.0;
    }
    #[inline(always)]
    fn store_f16(self, target: &mut [u16; LANES]) {
        *target = self.0.map(|value| f16::from_f32_const(value).to_bits());
    }
    #[inline(always)]
    fn absolute(self) -> Self {
        PortableLanes(self.0.map(f32::abs))
    }
    #[inline(always)]
    fn truncated(self) -> Self {
        PortableLanes(self.0.map(f32::trunc))
    }
    #[inline(always)]
    fn store_bytes(values: [Self; 4], target: &mut [i8; 4 * LANES]) {
        for (eight, target) in values.iter().zip(target.as_chunks_mut::<LANES>().0) {
            *target = eight.0.map(|value| value as i8);
        }
    }
}

/// Half precision to single, exactly. Moving the bits leaves the exponent 112 too small; multiplying by 2¹¹² mends
/// that, for subnormal numbers too. Without a branch, so that a compiler can do several at once.
#[inline(always)]
fn single_from_half(bits: u16) -> f32 {
    const TWO_TO_THE_112: f32 = f32::from_bits((112 + 127) << 23);
    const INFINITE_FROM: u32 = 0x7c00 << 13;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let value = (f32::from_bits(magnitude) * TWO_TO_THE_112).to_bits();
    let value = if magnitude >= INFINITE_FROM { value | 0x7f80_0000 } else { value };
    f32::from_bits(value | u32::from(bits & 0x8000) << 16)
}

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2Lanes;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "AVX2 intrinsics")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Arithmetic, LANES, Lanes};

    /// One AVX register. Values of it are made only inside functions compiled for AVX2, FMA and F16C, which
    /// `run_with_lanes!` and `run_with_wide_lanes!` enter only where the processor has them; every `SAFETY` below rests
    /// on that.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2Lanes(__m256);

    impl Arithmetic for Avx2Lanes {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn subtract(self, other: Self) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn multiply(self, other: Self) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn divide(self, other: Self) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_div_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn multiply_add(self, factor: Self, summand: Self) -> Self {
            // SAFETY: FMA is there, see the type.
            Avx2Lanes(unsafe { _mm256_fmadd_ps(self.0, factor.0, summand.0) })
        }
        #[inline(always)]
        fn larger(self, other: Self) -> Self {
            // SAFETY: AVX is there, see the type. `vmaxps` gives its second operand unless the first is greater.
            Avx2Lanes(unsafe { _mm256_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn power_of_two(self) -> Self {
            // SAFETY: AVX2 is there, see the type.
            Avx2Lanes(unsafe {
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            })
        }
    }

    impl Lanes for Avx2Lanes {
        #[inline(always)]
        fn load(source: &[f32; LANES]) -> Self {
            // SAFETY: the array is 32 readable bytes; the load needs no alignment.
            Avx2Lanes(unsafe { _mm256_loadu_ps(source.as_ptr()) })
        }
        #[inline(always)]
        fn load_f16(source: &[u16; LANES]) -> Self {
            // SAFETY: the array is 16 readable bytes; the load needs no alignment.
            Avx2Lanes(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(source.as_ptr().cast())) })
        }
        #[inline(always)]
        fn store(self, target: &mut [f32; LANES]) {
            // SAFETY: the array is 32 writable bytes; the store needs no alignment.
            unsafe { _mm256_storeu_ps(target.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        fn store_f16(self, target: &mut [u16; LANES]) {
            // SAFETY: the array is 16 writable bytes; the store needs no alignment.
            unsafe {
                let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0);
                _mm_storeu_si128(target.as_mut_ptr().cast(), halves);
            }
        }
        #[inline(always)]
        fn absolute(self) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
        }
        #[inline(always)]
        fn truncated(self) -> Self {
            // SAFETY: AVX is there, see the type.
            Avx2Lanes(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(self.0) })
        }
        #[inline(always)]
        fn store_bytes(values: [Self; 4], target: &mut [i8; 4 * LANES]) {
            // SAFETY: AVX2 is there, see the type; the array is 32 writable bytes, and the store needs no alignment.
            unsafe {
                let [a, b] = [[values[0], values[1]], [values[2], values[3]]].map(|[low, high]| {
                    _mm256_packs_epi32(_mm256_cvtps_epi32(low.0), _mm256_cvtps_epi32(high.0))
                });
                // Packing works within halves of a register: fours of bytes come out as 0 2 4 6 1 3 5 7.
                let mixed = _mm256_packs_epi16(a, b);
                let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                let bytes = _mm256_permutevar8x32_epi32(mixed, order);
                _mm256_storeu_si256(target.as_mut_ptr().cast(), bytes);
            }
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: AVX is there, see the type. The tree of the definition: a + e, b + f, …; then those two apart.
            unsafe {
                let fours = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
                let twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
                _mm_cvtss_f32(_mm_add_ss(twos, _mm_movehdup_ps(twos)))
            }
        }
        #[inline(always)]
        fn largest(self) -> f32 {
            // SAFETY: AVX is there, see the type. Of numbers, whichever order finds the largest.
            unsafe {
                let fours = _mm_max_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
                let twos = _mm_max_ps(fours, _mm_movehl_ps(fours, fours));
                _mm_cvtss_f32(_mm_max_ss(twos, _mm_movehdup_ps(twos)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{InstructionSet, run_with_lanes};

    #[inline(always)]
    fn exponentials<L: Lanes>(values: &mut [[f32; LANES]]) {
        for eight in values {
            L::load(eight).exponential().store(eight);
        }
    }

    fn exponentials_by(set: InstructionSet, values: &[f32]) -> Vec<f32> {
        let mut values = values.as_chunks::<LANES>().0.to_vec();
        let slice = &mut values[..];
        run_with_lanes!(set, |L| (slice: &mut [[f32; LANES]]) -> () { exponentials::<L>(slice) });
        values.into_flattened()
    }

    #[test]
    fn the_exponential_is_close_to_the_true_one_and_the_same_on_every_instruction_set() {
        let values: Vec<f32> = (0..160_000).map(|i| -90.0 + i as f32 * 0.001_125).collect();
        let portable = exponentials_by(InstructionSet::Portable, &values);
        for (x, y) in values.iter().zip(&portable) {
            let truth = libm::exp(f64::from(x.clamp(-87.0, 88.0)));
            assert!((f64::from(*y) / truth - 1.0).abs() < 2.4e-7, "exp({x}) = {y}, not {truth}");
        }
        if InstructionSet::Avx2.is_available() {
            let avx2 = exponentials_by(InstructionSet::Avx2, &values);
            assert!(portable.iter().zip(&avx2).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }

    #[test]
    fn half_precision_is_converted_exactly() {
        for bits in 0..=u16::MAX {
            let (found, truth) = (single_from_half(bits), f16::from_bits(bits).to_f32_const());
            assert!(found.to_bits() == truth.to_bits() || found.is_nan() && truth.is_nan(), "{bits:#06x}");
        }
    }

    #[test]
    fn half_precision_is_converted_alike() {
        if !InstructionSet::Avx2.is_available() {
            return;
        }
        #[inline(always)]
        fn there_and_back<L: Lanes>(values: &mut [u16; LANES]) -> [f32; LANES] {
            let wide = L::load_f16(values);
            wide.add(L::splat(1e-5)).store_f16(values);
            wide.to_array()
        }
        for start in (0..0x7c00_u16).step_by(LANES) {
            for sign in [0, 0x8000] {
                let mut a: [u16; LANES] = std::array::from_fn(|i| (start + i as u16) | sign);
                let mut b = a;
                let x = there_and_back::<PortableLanes>(&mut a);
                let pointer = &mut b;
                let y = run_with_lanes!(InstructionSet::Avx2, |L| (pointer: &mut [u16; LANES]) -> [f32; LANES] { there_and_back::<L>(pointer) });
                assert_eq!((x.map(f32::to_bits), a), (y.map(f32::to_bits), b));
            }
        }
    }
}
