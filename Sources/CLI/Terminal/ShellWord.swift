extension String {
    /// The text as one word of a POSIX shell, for commands that a message shows. Names and keys out of files must not
    /// become commands of the user who copies one.
    package var shellQuoted: String {
        let isPlain =
            !isEmpty
            && utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || "-_./:=@,+".utf8.contains(byte)
            }
        return isPlain ? self : "'" + unicodeScalars.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }
}
