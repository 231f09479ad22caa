// CLI11 with our types: what the groups of options have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "settings/environment.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

// An option's value goes straight to its place in the settings.
class option_table {
 public:
  explicit option_table(CLI::App& app) : app_(app) {}

  void group(const char* name) { group_ = name; }

  CLI::Option* text(const char* names, std::string& to, const char* type, const char* help);
  // May be repeated. Each use takes one value: the next word is the next option or the command.
  CLI::Option* texts(const char* names, std::vector<std::string>& to, const char* type,
                     const char* help);
  CLI::Option* flag(const char* names, bool& to, const char* help);
  template <class Number>
  CLI::Option* number(const char* names, Number& to, Number least, Number most, const char* help) {
    return app_.add_option(names, to, help)
        ->check(CLI::Range(least, most))
        ->type_name("N")
        ->group(group_);
  }
  // "0" is kept as 0, for those to whom it means none.
  CLI::Option* time(const char* names, std::optional<duration>& to, const char* help);
  CLI::Option* time(const char* names, duration& to, const char* help);
  // The first line of a file.
  CLI::Option* secret_file(const char* names, std::optional<secret>& to, const char* help);
  // A question on the terminal, put once all options are right.
  CLI::Option* question(const char* names, std::optional<secret>& to, const char* prompt,
                        const char* help);

  CLI::App& app() { return app_; }
  // Asks the questions. Throws usage_error without a terminal.
  void ask() const;

 private:
  struct asked_for {
    bool wanted = false;
    const char* prompt;
    std::optional<secret>* to;
  };
  CLI::App& app_;
  std::string group_;
  std::vector<std::unique_ptr<asked_for>> questions_;
};

// One function for each concern, in files of their own.
void add_host_options(option_table&, host_settings&, time_settings&);
void add_login_options(option_table&, settings&);
void add_script_options(option_table&, settings&);
void add_run_options(option_table&, settings&);

void add_output_options(option_table&, settings&);
void add_matching_variables(script_settings&, const std::string& pattern);

std::string read_text_file(const std::string& file, const char* option);  // throws usage_error

}  // namespace ssh_runner
