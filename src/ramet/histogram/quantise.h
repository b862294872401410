// Gradients as integers (design rule 5): what histograms add up.
//
//   gradient, hessian (float32 a row) ──► words: one (packed) or two (wide) 64-bit integers a row
//
// A step is a power of two taken from the exact largest magnitude; a value between two steps is
// rounded up with the probability of its fraction, by a hash of (seed, iteration, output, row):
// unbiased, and the same for whoever does it.
//
//   packed:  count 1 << 52 | hessian (12 bits) << 28 | gradient (16 bits, signed)     up to 4,095
//   rows add up in one word wide:    gradient (31 bits, signed) ; count 1 << 48 | hessian (30 bits)
//   up to 65,535 rows
//
// Invariants
//   Q1. |gradient| <= 2^15 and hessian <= 2^12 (packed), |gradient| <= 2^30 and hessian <= 2^30
//   (wide), so no field of a sum
//       of kMaxRows{Packed,Wide} words overflows.
//   Q2. The format is a function of the whole table's row count and of exact statistics of the
//   gradients alone: wide for small tables (which
//       then behave as with floating point) and where the largest value dwarfs the mean (heavy
//       tails, a huge weight), packed else.
#pragma once

#include <cstdint>

#include "ramet/base/buffer.h"
#include "ramet/bins/row_ids.h"
#include "ramet/loss/loss.h"
#include "ramet/parallel/context.h"

namespace ramet {

struct CellFormat {
  bool packed = true;
  int gradient_shift = 0;  // integer = gradient * 2^shift
  int hessian_shift = 0;
  double gradient_step() const;  // 2^-shift: integer sums to gradients
  double hessian_step() const;

  static constexpr int kPackedGradientBits = 15, kPackedHessianBits = 12;
  static constexpr int kWideBits = 30;
  static constexpr size_t kMaxRowsPacked = 4095, kMaxRowsWide = 65535;
  // Tables smaller than this are always wide.
  static constexpr size_t kSmallestPackedTable = 1 << 16;
  // Packed integers whose mean magnitude is less than this many steps would be mostly noise: wide
  // then.
  static constexpr uint64_t kSmallestMeanSteps = 4;

  size_t words_per_row() const { return packed ? 1 : 2; }
  size_t max_rows() const { return packed ? kMaxRowsPacked : kMaxRowsWide; }
};

struct QuantisedGradients {
  CellFormat format;
  Buffer<uint64_t> words;  // rows x words_per_row
};

// Quantises one output's gradients, of the rows `ids`. `range` holds the exact maxima of all
// members' rows; `key` is the stream of this iteration and output. `out.words` is reused where it
// is large enough. O(rows), about 1.5 ns a row; one or two exchanges.
void Quantise(const Context& context, std::span<const GradientHessian> gradients, const RowIds& ids,
              const GradientRange& range, uint64_t key, QuantisedGradients& out);

}  // namespace ramet
