// Getting in: keys, the agent, the password.
#pragma once

#include "connect/agent.hpp"
#include "connect/session.hpp"

namespace ssh_runner {

// Tries what `to.login` has until the server is content; it may ask for more than one. Throws failure
// that says what was tried.
void log_in(session& s, const endpoint& to, agent& ssh_agent, attempt& a);

}  // namespace ssh_runner
