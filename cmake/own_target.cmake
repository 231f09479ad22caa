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
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # It sees them in std::string, depending on what it inlines.
      target_compile_options(${target} PRIVATE -Wno-error=array-bounds -Wno-error=restrict)
    endif()
  endif()
endfunction()
