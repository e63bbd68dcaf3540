// Tells libcrypto, when the program starts, what it must know before its first use (setup.c). Nothing has to be called.
#pragma once
