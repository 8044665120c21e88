/// The program's version, as `--version` and the status routes say it.
enum Version {
    static let text = "0.1.0"
}
