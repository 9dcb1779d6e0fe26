//! The memory that holds all weights of a model: one mapping, in large pages where the operating system gives them.
//!
//! A step of the model reads every weight once. With pages of 4 KiB that is tens of thousands of look-ups of addresses
//! for each token; one mapping for all matrices lets the system use pages of 2 MiB, which a streaming read goes through
//! a fifth faster. It is filled while a model is loaded, then sealed, and only read from then on.

use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use memmap2::MmapMut;

use super::CACHE_LINE;

/// Memory that is being filled.
pub(crate) struct WeightMemory {
    map: MmapMut,
    used: usize,
    sealed: SealedWeights,
}

/// The same for its readers: empty until it is sealed.
#[derive(Clone, Default)]
pub(super) struct SealedWeights(Arc<OnceLock<MmapMut>>);

impl WeightMemory {
    /// Room for parts of these sizes. Memory is taken when it is written.
    ///
    /// # Errors
    /// When the operating system does not give so much.
    pub(crate) fn for_parts(sizes: impl Iterator<Item = usize>) -> io::Result<WeightMemory> {
        let size = sizes.fold(0_usize, |sum, size| sum.saturating_add(aligned(size)));
        let map = MmapMut::map_anon(size.max(CACHE_LINE))?;
        // Only a hint: without it, or where it is refused, pages are small.
        #[cfg(target_os = "linux")]
        if let Err(error) = map.advise(memmap2::Advice::HugePage) {
            tracing::debug!(%error, "no large pages for the weights");
        }
        Ok(WeightMemory { map, used: 0, sealed: SealedWeights::default() })
    }

    /// Takes the next part, which begins at a line of the processor's cache: where it lies, and its bytes, all zero.
    ///
    /// # Panics
    /// When it was not counted in [`WeightMemory::for_parts`].
    pub(super) fn take(&mut self, size: usize) -> (Range<usize>, &mut [u8]) {
        let range = self.used..self.used + size;
        self.used += aligned(size);
        (range.clone(), &mut self.map[range])
    }

    /// For those who will read it.
    pub(super) fn reader(&self) -> SealedWeights {
        self.sealed.clone()
    }

    /// Hands the memory over to its readers.
    pub(crate) fn seal(self) {
        // It is the only one that sets it, and it does so once.
        drop(self.sealed.0.set(self.map));
    }
}

impl SealedWeights {
    /// The bytes at a place, nothing before the memory is sealed.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get().map_or(&[], |map| map)
    }
}

/// Gives memory back to the operating system that was allocated for a while, and is free again: what reading a model file
/// took, some MB. Allocators otherwise keep it for later.
pub(crate) fn give_back_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a function of the C library")]
    // SAFETY: it may be called at any time, from any thread, and touches only memory that nobody has.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn aligned(size: usize) -> usize {
    size.next_multiple_of(CACHE_LINE)
}
