//! The arithmetic: everything that touches many numbers.
//!
//! One rule carries speed and reproducibility alike: **SIMD lanes run across outputs, never along a reduction.**
//! Every output has one accumulator, and what is added to it, and in which order, depends on nothing but the model
//! and the tokens before it: not on the number of columns computed together, of threads, or of lanes.
//!
//! Each kernel exists once per instruction set. Element-wise work is written once over [`lanes::Lanes`], portable and
//! AVX2, which AVX-512 uses too; attention over [`wide_lanes::WideLanes`], for each. Products with weights are written by
//! hand for AVX2 ([`matmul_avx2`]) and AVX-512 ([`matmul_avx512`]), and held against the portable form
//! ([`matmul_portable`]) bit for bit by the tests.
//!
//! Of the program, `unsafe` lives here, and in the memory map of a model file.

pub(crate) mod activations;
pub(crate) mod attention;
mod attention_tile;
pub(crate) mod elementwise;
pub(crate) mod lanes;
pub(crate) mod matmul;
#[cfg(target_arch = "x86_64")]
mod matmul_avx2;
#[cfg(target_arch = "x86_64")]
mod matmul_avx2_dots;
#[cfg(target_arch = "x86_64")]
mod matmul_avx512;
mod matmul_portable;
pub(crate) mod packed_matrix;
mod packing;
pub(crate) mod rotary;
pub(crate) mod thread_pool;
pub(crate) mod weight_memory;
mod wide_lanes;

/// Which compiled form of the kernels runs. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSet {
    /// Plain Rust, on any processor.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// The same with AVX-512: F, BW, VL and VNNI.
    Avx512,
}

impl InstructionSet {
    const ALL: [InstructionSet; 3] = [InstructionSet::Portable, InstructionSet::Avx2, InstructionSet::Avx512];

    /// The best that this processor has.
    pub fn detect() -> InstructionSet {
        InstructionSet::available().last().unwrap_or(InstructionSet::Portable)
    }

    /// All that this processor has, best last.
    pub fn available() -> impl Iterator<Item = InstructionSet> {
        InstructionSet::ALL.into_iter().filter(|set| set.is_available())
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            InstructionSet::Portable => true,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => {
                InstructionSet::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx2 | InstructionSet::Avx512 => false,
        }
    }

    /// The one of that name.
    pub fn by_name(name: &str) -> Option<InstructionSet> {
        InstructionSet::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Its name, as the setting `INTERFERENCE_KERNELS` takes it.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Portable => "portable",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512 => "avx512",
        }
    }
}

/// Runs `$body`, generic over the lane type `$lanes`, in the form for `$set`.
///
/// The body is compiled twice: once plain, once inside a function that may use AVX2, FMA and F16C. It must be a call
/// of a function marked `#[inline(always)]`, so that the second copy really is compiled with those features.
macro_rules! run_with_lanes {
    ($set:expr, |$lanes:ident| ($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        match $set {
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::InstructionSet::Avx2 | $crate::kernels::InstructionSet::Avx512 => {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn with_avx2($($argument: $type),*) -> $result {
                    type $lanes = $crate::kernels::lanes::Avx2Lanes;
                    $body
                }
                #[expect(unsafe_code, reason = "calls a function compiled for AVX2")]
                // SAFETY: both are chosen only after `InstructionSet::is_available` has found the three features.
                unsafe { with_avx2($($argument),*) }
            }
            _ => {
                type $lanes = $crate::kernels::lanes::PortableLanes;
                $body
            }
        }
    };
}
pub(crate) use run_with_lanes;

/// As [`run_with_lanes!`], with a type of sixteen lanes: two registers of AVX2, or one of AVX-512.
macro_rules! run_with_wide_lanes {
    ($set:expr, |$lanes:ident| ($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        match $set {
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::InstructionSet::Avx512 => {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
                fn with_avx512($($argument: $type),*) -> $result {
                    type $lanes = $crate::kernels::wide_lanes::Avx512Lanes;
                    $body
                }
                #[expect(unsafe_code, reason = "calls a function compiled for AVX-512")]
                // SAFETY: `Avx512` is chosen only after `InstructionSet::is_available` has found its features.
                unsafe { with_avx512($($argument),*) }
            }
            set => $crate::kernels::run_with_lanes!(set, |L| ($($argument: $type),*) -> $result {
                type $lanes = $crate::kernels::wide_lanes::Pair<L>;
                $body
            }),
        }
    };
}
pub(crate) use run_with_wide_lanes;

/// Bytes that one prefetch brings.
const CACHE_LINE: usize = 64;

/// Asks for the memory of a slice ahead of its use, where the processor can be asked.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    let bytes = size_of_val(values);
    for line in (0..bytes).step_by(CACHE_LINE) {
        prefetch_line(values.as_ptr().cast::<u8>().wrapping_add(line));
    }
}

/// Asks for the line of the cache at an address. Any address will do, mapped or not: a prefetch has no effect that a
/// program can see.
#[inline(always)]
pub(crate) fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a prefetch is an intrinsic that takes an address")]
    // SAFETY: every x86-64 has SSE, and the instruction does not fault.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
