// How to get in, and whether it is the right host.
#include <map>

#include "settings/option_table.hpp"

namespace ssh_runner {
namespace {

void add_means(option_table& options, login_settings& login) {
  options.texts("-i,--key", login.key_files, "FILE",
                "Private key (default, without a password: ~/.ssh/id_*)");
  options.secret_file("--passphrase-file", login.passphrase, "Its passphrase");
  options.question("--ask-passphrase", login.passphrase, "Passphrase of the key",
                   "Ask for its passphrase");
  options.secret_file("--password-file", login.password, "Password, the first line of a file");
  options.question("--ask-password", login.password, "Password", "Ask for the password");
}

void add_jump_means(option_table& options, login_settings& login) {
  options.texts("--jump-key", login.key_files, "FILE", "Private key for the jump hosts");
  options.secret_file("--jump-passphrase-file", login.passphrase, "Its passphrase");
  options.secret_file("--jump-password-file", login.password, "Password for the jump hosts");
}

void add_host_keys(option_table& options, host_key_settings& keys) {
  static const std::map<std::string, host_key_check> checks = {
      {"yes", host_key_check::yes}, {"accept-new", host_key_check::accept_new},
      {"no", host_key_check::no}};
  options.texts("--known-hosts", keys.known_hosts, "FILE",
                "Instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts");
  const auto set_check = [&keys](const std::string& word) { keys.check = checks.at(word); };
  options.app()
      .add_option_function<std::string>("--host-key-check", set_check,
                                        "yes (default), accept-new or no")
      ->check(CLI::IsMember({"yes", "accept-new", "no"}))
      ->type_name("WORD")
      ->group("Login");
  options.text("--fingerprint", keys.fingerprint, "SHA256:...", "The only host key to accept");
  options.text("--jump-fingerprint", keys.jump_fingerprint, "SHA256:...",
               "The same for the jump hosts");
}

void add_algorithms(option_table& options, algorithm_settings& algorithms) {
  options.text("--ciphers", algorithms.ciphers, "NAME,...", "Instead of libssh's choice");
  options.text("--kex", algorithms.key_exchange, "NAME,...", "The same for key exchange");
  options.text("--macs", algorithms.macs, "NAME,...", "The same for message authentication");
  options.flag("--insecure-algorithms", algorithms.insecure,
               "Offer old algorithms as well: CBC, 3DES, SHA-1, ssh-rsa");
}

void read_environment(login_settings& login, const char* password, const char* passphrase,
                      const char* key) {
  const auto from = [](const char* name, std::optional<secret>& to) {
    if (auto value = environment(name); value && !value->empty()) to = secret(std::move(*value));
  };
  from(password, login.password);
  from(passphrase, login.passphrase);
  from(key, login.key_text);
}

}  // namespace

void add_login_options(option_table& options, settings& all) {
  read_environment(all.login, "SSH_RUNNER_PASSWORD", "SSH_RUNNER_PASSPHRASE", "SSH_RUNNER_KEY");
  read_environment(all.jump_login, "SSH_RUNNER_JUMP_PASSWORD", "SSH_RUNNER_JUMP_PASSPHRASE",
                   "SSH_RUNNER_JUMP_KEY");
  options.group("Login");
  add_means(options, all.login);
  add_jump_means(options, all.jump_login);
  options.flag("--agent,!--no-agent", all.login.use_agent, "Use the SSH agent, if there is one");
  options.flag("--identities-only", all.login.identities_only,
               "Of the agent's keys only those that are named here, too");
  add_host_keys(options, all.host_keys);
  add_algorithms(options, all.algorithms);
}

}  // namespace ssh_runner
