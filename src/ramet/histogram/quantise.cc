#include "ramet/histogram/quantise.h"

#include <algorithm>
#include <cmath>

#include "ramet/base/exact_sum.h"
#include "ramet/collective/collective.h"
#include "ramet/histogram/row_stream.h"
#include "ramet/parallel/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ramet/histogram/quantise.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h; highway.h is read again for each target.
#include <hwy/highway.h>

#include "ramet/base/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace ramet {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Sums of the integers' magnitudes, for Q2.
struct Magnitudes {
  uint64_t gradient = 0, hessian = 0;
};

template <class V>
HWY_INLINE V Mix32Lanes(V x) {
  const hn::DFromV<V> d;
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  x = hn::Mul(x, hn::Set(d, 0x21f0aaadu));
  x = hn::Xor(x, hn::ShiftRight<15>(x));
  x = hn::Mul(x, hn::Set(d, 0xd35a2d97u));
  return hn::Xor(x, hn::ShiftRight<15>(x));
}

// floor(x * 2^shift + u) as an integer, |result| < 2^51; the shift is split in two factors, as
// FixedPoint does.
template <class D, class V>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> RoundStochastically(D d, V x, const FixedPoint& scale,
                                                              V u) {
  const hn::RebindToSigned<D> di;
  const V scaled = hn::Mul(hn::Mul(x, hn::Set(d, scale.scale_a())), hn::Set(d, scale.scale_b()));
  const V rounded = hn::Add(hn::Floor(hn::Add(scaled, u)), hn::Set(d, FixedPoint::kMagic));
  return hn::Sub(hn::BitCast(di, rounded), hn::Set(di, FixedPoint::kMagicBits));
}

template <bool kPacked, class D>
HWY_INLINE size_t QuantiseRows(D d, const GradientHessian* gradients, size_t begin, size_t end,
                               const FixedPoint& g_scale, const FixedPoint& h_scale,
                               const RowStream& rows, uint64_t* words, Magnitudes& magnitudes) {
  const hn::RebindToSigned<D> di;
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<float, D> df;
  const hn::Rebind<uint32_t, D> du32;
  const hn::Rebind<int32_t, D> di32;
  const auto unit = hn::Set(d, 1.0 / 65536);
  auto g_sum = hn::Zero(di), h_sum = hn::Zero(di);
  size_t i = begin;
  for (; i + hn::Lanes(d) <= end; i += hn::Lanes(d)) {
    hn::Vec<decltype(df)> g32, h32;
    hn::LoadInterleaved2(df, reinterpret_cast<const float*>(gradients + i), g32, h32);
    // RowHash32, in lanes: its upper and lower halves are two fractions.
    const auto row = hn::Iota(du32, static_cast<uint32_t>(i) + rows.low_of_first);
    const auto hash = Mix32Lanes(
        hn::Add(Mix32Lanes(hn::Xor(row, hn::Set(du32, rows.key.a))), hn::Set(du32, rows.key.b)));
    const auto high = hn::PromoteTo(d, hn::BitCast(di32, hn::ShiftRight<16>(hash)));
    const auto low = hn::PromoteTo(d, hn::BitCast(di32, hn::And(hash, hn::Set(du32, 0xffffu))));
    const auto g = RoundStochastically(d, hn::PromoteTo(d, g32), g_scale, hn::Mul(high, unit));
    const auto h = RoundStochastically(d, hn::PromoteTo(d, h32), h_scale, hn::Mul(low, unit));
    g_sum = hn::Add(g_sum, hn::Abs(g));
    h_sum = hn::Add(h_sum, h);
    const auto gu = hn::BitCast(du, g), hu = hn::BitCast(du, h);
    if (kPacked) {
      const auto count = hn::Set(du, uint64_t{1} << 52);
      hn::StoreU(hn::Add(hn::Add(count, hn::ShiftLeft<28>(hu)), gu), du, words + i);
    } else {
      hn::StoreInterleaved2(gu, hn::Add(hn::Set(du, uint64_t{1} << 48), hu), du, words + 2 * i);
    }
  }
  HWY_ALIGN int64_t lanes[HWY_MAX_BYTES / sizeof(int64_t)];
  hn::Store(g_sum, di, lanes);
  for (size_t j = 0; j < hn::Lanes(d); ++j) magnitudes.gradient += static_cast<uint64_t>(lanes[j]);
  hn::Store(h_sum, di, lanes);
  for (size_t j = 0; j < hn::Lanes(d); ++j) magnitudes.hessian += static_cast<uint64_t>(lanes[j]);
  return i;
}

template <bool kPacked>
void QuantiseBlock(const GradientHessian* gradients, size_t begin, size_t end,
                   const FixedPoint& g_scale, const FixedPoint& h_scale, const RowStream& rows,
                   uint64_t* words, uint64_t* magnitudes) {
  Magnitudes sums;
  const size_t rest = QuantiseRows<kPacked>(hn::ScalableTag<double>(), gradients, begin, end,
                                            g_scale, h_scale, rows, words, sums);
  QuantiseRows<kPacked>(hn::CappedTag<double, 1>(), gradients, rest, end, g_scale, h_scale, rows,
                        words, sums);
  magnitudes[0] = sums.gradient;
  magnitudes[1] = sums.hessian;
}

void QuantisePacked(const GradientHessian* gradients, size_t begin, size_t end,
                    const FixedPoint& g_scale, const FixedPoint& h_scale, const RowStream& rows,
                    uint64_t* words, uint64_t* magnitudes) {
  QuantiseBlock<true>(gradients, begin, end, g_scale, h_scale, rows, words, magnitudes);
}
void QuantiseWide(const GradientHessian* gradients, size_t begin, size_t end,
                  const FixedPoint& g_scale, const FixedPoint& h_scale, const RowStream& rows,
                  uint64_t* words, uint64_t* magnitudes) {
  QuantiseBlock<false>(gradients, begin, end, g_scale, h_scale, rows, words, magnitudes);
}

}  // namespace HWY_NAMESPACE
}  // namespace ramet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ramet {

HWY_EXPORT(QuantisePacked);
HWY_EXPORT(QuantiseWide);

namespace {

constexpr size_t kRowsPerTask = 1 << 14;

struct MagnitudeSums {
  uint64_t gradient = 0, hessian = 0;
};

// Calls visit(begin, end, stream) for pieces of the local rows [begin, end).
template <class Visit>
void VisitStreams(const RowIds& ids, uint64_t key, size_t begin, size_t end, const Visit& visit) {
  constexpr uint64_t kHalf = uint64_t{1} << 32;
  ids.VisitRuns(begin, end, [&](size_t first, size_t last, uint64_t id) {
    while (first < last) {
      const size_t count = std::min<uint64_t>(last - first, kHalf - id % kHalf);
      visit(first, first + count,
            RowStream{RowKeyOf(key, static_cast<uint32_t>(id / kHalf)),
                      static_cast<uint32_t>(id - first)});
      first += count;
      id += count;
    }
  });
}

MagnitudeSums QuantiseAs(const Context& context, bool packed,
                         std::span<const GradientHessian> gradients, const RowIds& ids,
                         const GradientRange& range, uint64_t key, QuantisedGradients& out) {
  const int g_bits = packed ? CellFormat::kPackedGradientBits : CellFormat::kWideBits;
  const int h_bits = packed ? CellFormat::kPackedHessianBits : CellFormat::kWideBits;
  const FixedPoint g_scale = FixedPoint::For(range.max_gradient, g_bits);
  const FixedPoint h_scale = FixedPoint::For(range.max_hessian, h_bits);
  out.format = {packed, g_scale.shift(), h_scale.shift()};
  const size_t words = gradients.size() * out.format.words_per_row();
  if (out.words.size() < words) out.words = Buffer<uint64_t>(words);
  const auto kernel = packed ? RAMET_DISPATCH(context.isa, QuantisePacked)
                             : RAMET_DISPATCH(context.isa, QuantiseWide);
  const auto add = [](MagnitudeSums& into, const MagnitudeSums& from) {
    into.gradient += from.gradient;
    into.hessian += from.hessian;
  };
  MagnitudeSums sums = ParallelReduce<MagnitudeSums>(
      0, gradients.size(), kRowsPerTask, MagnitudeSums{},
      [&](MagnitudeSums& of_piece, size_t begin, size_t end) {
        VisitStreams(ids, key, begin, end, [&](size_t first, size_t last, const RowStream& rows) {
          uint64_t magnitudes[2];
          kernel(gradients.data(), first, last, g_scale, h_scale, rows, out.words.data(),
                 magnitudes);
          add(of_piece, {magnitudes[0], magnitudes[1]});
        });
      },
      add);
  AllReduce(context, sums, add);
  return sums;
}

}  // namespace

double CellFormat::gradient_step() const { return std::ldexp(1.0, -gradient_shift); }
double CellFormat::hessian_step() const { return std::ldexp(1.0, -hessian_shift); }

void Quantise(const Context& context, std::span<const GradientHessian> gradients, const RowIds& ids,
              const GradientRange& range, uint64_t key, QuantisedGradients& out) {
  if (ids.total() >= CellFormat::kSmallestPackedTable) {
    const MagnitudeSums sums =
        QuantiseAs(context, /*packed=*/true, gradients, ids, range, key, out);
    const uint64_t least = CellFormat::kSmallestMeanSteps * ids.total();
    if (sums.gradient >= least && sums.hessian >= least) return;
  }
  QuantiseAs(context, /*packed=*/false, gradients, ids, range, key, out);
}

}  // namespace ramet
#endif
