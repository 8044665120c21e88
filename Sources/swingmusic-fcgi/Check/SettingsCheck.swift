import Gateway

/// The settings, which parse by now.
enum SettingsCheck {
    static func findings(_ settings: Settings, _ environment: [String: String]) -> [Finding] {
        var findings = [Finding.ok("settings", "they parse; \(settings.workers) workers with \(settings.threads) threads each")]
        findings += unknown(environment).map { name in
            .warning(name, "is no setting of this program", remedy: "a spelling mistake? docs/settings.md names all settings")
        }
        if settings.minInterval < .seconds(2) {
            findings.append(
                .warning("SPOTIFY_MIN_INTERVAL", "is shorter than 2s: Spotify may answer with a ban of hours", remedy: "leave it at 2s"))
        }
        if settings.callsPerHour > 1000 {
            findings.append(
                .warning("SPOTIFY_CALLS_PER_HOUR", "is more than 1000: Spotify may answer with a ban of hours", remedy: "leave it at 1000"))
        }
        if settings.metadataAuth == .session, settings.swingmusicDirectory == nil {
            findings.append(
                .error(
                    "SWINGMUSIC_FCGI_METADATA_AUTH", "is session, but there are no sessions without SWINGMUSIC_CONFIG_DIR",
                    remedy: "set SWINGMUSIC_CONFIG_DIR, or SWINGMUSIC_FCGI_METADATA_AUTH=off"))
        }
        return findings
    }

    /// Variables that look like ours and are not.
    static func unknown(_ environment: [String: String]) -> [String] {
        let known = Set(SettingName.allCases.flatMap { [$0.rawValue, $0.rawValue + "_FILE"] })
        return environment.keys
            .filter { name in ["SWINGMUSIC_FCGI_", "DRAGONFLYDB_", "SPOTIFY_"].contains(where: name.hasPrefix) && !known.contains(name) }
            .sorted()
    }
}
