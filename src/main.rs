//! The command `tp`: parse the arguments, run the command, turn its end into
//! an exit code. Everything else lives in the rooms of the library.

fn main() -> std::process::ExitCode {
    tp::ui::cli::main()
}
