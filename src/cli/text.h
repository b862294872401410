// Numbers as people read them: 336,776 rows, 1 min 05 s, 0.83 GB.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramet {

// 1234567 -> "1,234,567".
std::string Thousands(uint64_t number);
// 3 + "row" -> "3 rows"; 1 + "row" -> "1 row".
std::string Count(uint64_t number, std::string_view noun);
// Seconds -> "0.42 s", "12.3 s", "2 min 05 s", "3 h 07 min".
std::string Duration(double seconds);
// Bytes -> "83 MB", "1.24 GB".
std::string Bytes(double bytes);
// Six significant digits, without trailing noise: 0.769412.
std::string Significant(double value, int digits = 6);
// The shortest text that reads back as the same float64.
std::string Shortest(double value);

std::string Join(const std::vector<std::string>& parts, std::string_view separator);

// Rows of cells, padded to columns; the first row is the head. Cells of columns named in `right`
// are right-aligned.
std::string AlignedTable(const std::vector<std::vector<std::string>>& rows,
                         const std::vector<size_t>& right);

}  // namespace ramet
