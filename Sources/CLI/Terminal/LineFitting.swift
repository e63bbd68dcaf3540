extension String {
    /// What of a line can be shown on a terminal of so many columns without a second line, which `\r` does not come back
    /// from. The last column is left free: some terminals go on to the next line when it is written.
    ///
    /// - Parameter columns: nil or 0: not known; all of it.
    ///
    /// Counts a column for each character, as is so in ASCII.
    package func fitting(columns: Int?) -> String {
        guard let columns, columns > 0 else { return self }
        return String(prefix(columns - 1))
    }
}
