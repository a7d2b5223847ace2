// Lua with its standard library, for a row of lift.py: runs the script that argv[1] names.

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv) {
    lua_State *state = luaL_newstate();
    luaL_openlibs(state);
    if (argc != 2 || luaL_dofile(state, argv[1])) {
        fprintf(stderr, "%s\n", argc == 2 ? lua_tostring(state, -1) : "usage: lua SCRIPT");
        return 1;
    }
    lua_close(state);
    return 0;
}
