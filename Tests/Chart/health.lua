-- Runs a health check as Argo CD does: lua5.1 health.lua CHECK OBJECT; OBJECT is a Lua file that returns the object.
local check, object = arg[1], arg[2]
local program = assert(loadfile(check))
-- What Argo CD gives a script, as far as ours goes: no string, io or debug.
setfenv(program, { obj = dofile(object), ipairs = ipairs, pairs = pairs, table = table, tostring = tostring, type = type })
local health = program()
print(health.status)
print(health.message)
