// Identical outputs, shown once with all hosts that wrote them.
//
// Lines are kept as a tree: hosts whose output is the same so far are at the same node, so what they
// have in common is kept once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>
#include <weft/weft.hpp>

#include "output/sinks.hpp"

namespace ssh_runner {

class line_tree {
 public:
  using node = std::uint32_t;
  static constexpr node root = 0;

  line_tree() { nodes_.push_back({}); }
  // The node behind `at` on the line; made if there is none.
  node add(node at, std::string_view line);
  std::vector<std::string_view> lines(node end) const;  // from the root

 private:
  struct entry {
    node parent = root;
    std::string line;
  };
  std::vector<entry> nodes_;
  std::unordered_multimap<std::uint64_t, node> children_;  // by parent and line
};

struct fold_settings {
  bool diff = false;  // others as differences to the most common
  bool colour = false;
};

class folder {
 public:
  // For the lines of one host. The folder must outlive it.
  std::unique_ptr<recorder> recorder_for(const std::string& label);
  // All groups of one stream, the largest first. When no host writes any more.
  std::string shown(stream where, const fold_settings&) const;

 private:
  class host_recorder;
  struct ends {
    std::string label;
    line_tree::node out = line_tree::root, err = line_tree::root;
  };
  struct group {
    std::vector<std::string> labels;
    std::vector<std::string_view> lines;
  };
  std::vector<group> groups(stream where) const;

  weft::mutex mutex_;
  line_tree tree_;           // guarded by mutex_ while hosts write
  std::vector<ends> ended_;  // likewise
};

}  // namespace ssh_runner
