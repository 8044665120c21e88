import ArgumentParser

/// Exit statuses beside success and those of the argument parser; docs/operating.md lists all.
enum ExitStatus {
    /// There is nothing of that name.
    static let nothingThere = ExitCode(3)
}
