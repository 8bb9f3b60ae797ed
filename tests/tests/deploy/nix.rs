//! The image of flake.nix is run as that of deploy/Dockerfile is.

use crate::files::text_of;

/// What an instruction of the Dockerfile's last stage says, as in `USER`.
fn instruction(name: &str) -> String {
    let dockerfile = text_of("deploy/Dockerfile");
    let (_, stage) = dockerfile.split_once(" AS image-sync\n").unwrap();
    let (stage, _) = stage.split_once("\nFROM ").unwrap();
    let value = stage
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("the Dockerfile has no {name}"))
        .to_owned()
}

#[test]
fn both_images_are_run_in_the_same_way() {
    let flake = text_of("flake.nix");
    let list = |name: &str| instruction(name).replace('[', "[ ").replace(']', " ]");
    let mut expected = vec![
        format!("Entrypoint = {};", list("ENTRYPOINT")),
        format!("Cmd = {};", list("CMD")),
        format!("User = \"{}\";", instruction("USER")),
        format!("ExposedPorts.\"{}/tcp\"", instruction("EXPOSE")),
    ];
    let variables = instruction("ENV");
    expected.extend(
        variables
            .split(' ')
            .map(|variable| format!("\"{variable}\"")),
    );
    for text in expected {
        assert!(flake.contains(&text), "flake.nix has no {text}");
    }
}
