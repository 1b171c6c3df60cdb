//! `detloss man`: manual pages, from the definitions of the commands.

use clap_mangen::Man;

use crate::call;
use crate::cli::ManArgs;
use crate::output::{CliError, make_folder_of, print, replace, say};

/// Prints the page of detloss, or writes one for every command.
pub(crate) fn run(args: &ManArgs) -> Result<(), CliError> {
    let mut root = call::command();
    let Some(folder) = &args.dir else {
        return print(&String::from_utf8_lossy(&page(root)?));
    };
    make_folder_of(folder, "DIR")?;
    // Fills in the names by which commands of commands are called.
    root.build();
    let mut count = 0;
    let mut pages = vec![root];
    while let Some(command) = pages.pop() {
        let own = command.get_subcommands().filter(|command| command.get_name() != "help");
        pages.extend(own.cloned());
        let name = format!("{}.1", command.get_display_name().unwrap_or(command.get_name()));
        replace(&folder.join(name), &page(command)?, "DIR")?;
        count += 1;
    }
    say(format_args!("wrote {count} pages to {}", folder.display()));
    Ok(())
}

fn page(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text).map_err(CliError::failure)?;
    Ok(text)
}
