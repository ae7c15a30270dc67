// The file of choices: a line for each table, from which it is regenerated bit for bit.
//
//   gelu accurate bfloat16_format 0 form=log_root degrees=5,7 settings= aim=1.05,1.1,1.15 at=0x1.fp+1,0x1p-1
//
// Numbers are decimal or hexadecimal doubles.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "form.hpp"

namespace fit {

// Which table: the activation's name, "accurate" or "fast", the library's class of the format, the mantissa bits
// spent.
struct table_key {
  std::string activation, variant, storage;
  int spent_bits;

  std::string text() const { return activation + " " + variant + " " + storage + " " + std::to_string(spent_bits); }
};

inline std::vector<double> parse_numbers(const std::string& text) {
  std::vector<double> numbers;
  std::stringstream items(text);
  for (std::string item; std::getline(items, item, ',');) numbers.push_back(std::strtod(item.c_str(), nullptr));
  return numbers;
}

inline std::string number_text(const std::vector<double>& numbers, const char* format) {
  std::string text;
  for (const double n : numbers) {
    char item[40];
    std::snprintf(item, sizeof item, format, n);
    text += (text.empty() ? "" : ",") + std::string(item);
  }
  return text;
}

using choices = std::map<std::string, choice>;

inline choices read_choices(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  choices all;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::stringstream words(line);
    table_key key;
    words >> key.activation >> key.variant >> key.storage >> key.spent_bits;
    choice c{};
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
      const std::vector<double> numbers = parse_numbers(value);
      if (name == "form") c.form = value;
      if (name == "degrees") c.degrees.assign(numbers.begin(), numbers.end());
      if (name == "settings") c.settings = numbers;
      if (name == "aim") c.aim = {numbers.at(0), numbers.at(1), numbers.at(2)};
      if (name == "at") c.at = numbers;
    }
    all[key.text()] = c;
  }
  return all;
}

inline void write_choices(const std::string& path, const choices& all) {
  std::ofstream file(path);
  file << "# What fit_coefficients --search found, a line for each table of include/invact/coefficients: see choices.hpp.\n"
          "# A least-squares fit at these numbers makes the table.\n";
  for (const auto& [key, c] : all) {
    const std::vector<double> degrees(c.degrees.begin(), c.degrees.end());
    file << key << " form=" << c.form << " degrees=" << number_text(degrees, "%g")
         << " settings=" << number_text(c.settings, "%g")
         << " aim=" << number_text({c.aim.largest, c.aim.rms, c.aim.rms_wide}, "%g")
         << " at=" << number_text(c.at, "%a") << "\n";
  }
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace fit
