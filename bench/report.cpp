// Turns the lines that the peers print into a Markdown table and a JSON file.
//
//   weft-bench-report [RESULTS.json] < lines
//
// A line is a flat JSON object with "peer", "workload", "workers" and one or more figures:
// "ns_per_op", "bytes_per_op". Peers, workloads and figures stand in the order in which they
// first appear. The last columns divide a peer's figure by weft's: the medians, and the minima,
// which a busy machine disturbs less.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// The text of a field of a flat object that has no escapes, without quotes.
std::optional<std::string> field(std::string_view line, std::string_view key) {
  const std::string quoted = '"' + std::string(key) + "\":";
  const auto at = line.find(quoted);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view value = line.substr(at + quoted.size());
  value = value.substr(0, value.find_first_of(",}"));
  if (value.starts_with('"')) {
    value = value.substr(1, value.rfind('"') - 1);
  }
  return std::string(value);
}

// A map that keeps the order in which its keys came.
template <class Value>
struct ordered {
  std::vector<std::pair<std::string, Value>> entries;

  const Value* find(std::string_view key) const {
    const auto it = std::ranges::find(entries, key, &std::pair<std::string, Value>::first);
    return it == entries.end() ? nullptr : &it->second;
  }
  Value& operator[](std::string_view key) {
    const auto it = std::ranges::find(entries, key, &std::pair<std::string, Value>::first);
    return it != entries.end() ? it->second : entries.emplace_back(key, Value{}).second;
  }
};

using samples = std::vector<double>;  // one a round

struct row {
  std::string workload, workers, figure;
  ordered<samples> peers;
};

struct summary {
  double min, median, max;
};

summary summarize(samples s) {
  std::ranges::sort(s);
  const auto n = s.size();
  return {s.front(), n % 2 ? s[n / 2] : (s[n / 2 - 1] + s[n / 2]) / 2, s.back()};
}

std::string number(double v) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), v < 100 ? "%.1f" : "%.0f", v);
  return text.data();
}

std::string ratio(double theirs, double ours) {
  if (ours <= 0) {
    return "-";
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", theirs / ours);
  return text.data();
}

struct results {
  std::vector<row> rows;
  std::vector<std::string> peers;

  void add(const std::string& line) {
    const auto peer = field(line, "peer"), workload = field(line, "workload"),
               workers = field(line, "workers");
    if (!peer || !workload || !workers) {
      std::cerr << "report: not a result: " << line << '\n';
      return;
    }
    if (std::ranges::find(peers, *peer) == peers.end()) {
      peers.push_back(*peer);
    }
    for (const char* figure : {"ns_per_op", "bytes_per_op"}) {
      if (const auto value = field(line, figure)) {
        find_row(*workload, *workers, figure).peers[*peer].push_back(std::atof(value->c_str()));
      }
    }
  }

  row& find_row(const std::string& workload, const std::string& workers, const char* figure) {
    const auto it = std::ranges::find_if(rows, [&](const row& r) {
      return r.workload == workload && r.workers == workers && r.figure == figure;
    });
    return it != rows.end() ? *it : rows.emplace_back(row{workload, workers, figure, {}});
  }
};

void print_markdown(const results& all) {
  std::cout << "| workload | workers | unit |";
  std::string rule = "|---|--:|---|";
  for (const auto& peer : all.peers) {
    std::cout << ' ' << peer << ": min / median / max |";
    rule += "--:|";
  }
  for (const auto& peer : all.peers) {
    if (peer != "weft") {
      std::cout << ' ' << peer << " / weft: medians, minima |";
      rule += "--:|";
    }
  }
  std::cout << '\n' << rule << '\n';

  for (const auto& r : all.rows) {
    std::cout << "| " << r.workload << " | " << r.workers << " | "
              << (r.figure == "ns_per_op" ? "ns" : "bytes") << " |";
    for (const auto& peer : all.peers) {
      if (const auto* s = r.peers.find(peer)) {
        const auto [min, median, max] = summarize(*s);
        std::cout << ' ' << number(min) << " / " << number(median) << " / " << number(max) << " |";
      } else {
        std::cout << " - |";
      }
    }
    const auto* ours = r.peers.find("weft");
    for (const auto& peer : all.peers) {
      if (peer == "weft") {
        continue;
      }
      const auto* theirs = r.peers.find(peer);
      if (ours && theirs) {
        const summary us = summarize(*ours), them = summarize(*theirs);
        std::cout << ' ' << ratio(them.median, us.median) << ", " << ratio(them.min, us.min)
                  << " |";
      } else {
        std::cout << " - |";
      }
    }
    std::cout << '\n';
  }
}

void write_json(const results& all, const char* path) {
  std::ofstream out(path);
  out << "[";
  const char* separator = "\n";
  for (const auto& r : all.rows) {
    for (const auto& [peer, values] : r.peers.entries) {
      const auto [min, median, max] = summarize(values);
      out << separator << "  {\"workload\": \"" << r.workload << "\", \"workers\": " << r.workers
          << ", \"peer\": \"" << peer << "\", \"figure\": \"" << r.figure << "\", \"min\": " << min
          << ", \"median\": " << median << ", \"max\": " << max << ", \"samples\": [";
      for (std::size_t i = 0; i < values.size(); ++i) {
        out << (i ? ", " : "") << values[i];
      }
      out << "]}";
      separator = ",\n";
    }
  }
  out << "\n]\n";
  if (!out.flush()) {
    std::cerr << "report: cannot write " << path << '\n';
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  results all;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) {
      all.add(line);
    }
  }
  print_markdown(all);
  if (argc > 1) {
    write_json(all, argv[1]);
  }
}
