#pragma once

#include <string>
#include <string_view>

namespace ssh_runner {

std::string base64(std::string_view bytes);  // on one line, padded

}  // namespace ssh_runner
