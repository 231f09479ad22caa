# Options of weft's own targets only: nothing here reaches a consumer or the global flags.
function(weft_own_target target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic)
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
    # GCC sees uninitialised members in the standard library there.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(WEFT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
