extension Settings {
    /// What must not be shown anywhere.
    var secretTexts: [String?] { [credentials?.clientSecret, dragonfly?.password] }
}
