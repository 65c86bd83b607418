use super::{
    fake::{End, Played, target},
    *,
};

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

fn says(text: &str, code: i32) -> Played {
    Played { stdout: text.into(), end: End::Code(code) }
}

#[tokio::test]
async fn a_command_has_output_and_a_code() {
    let target = target(|words, _| says(&words.join("+"), 3)).await;
    let output = target.run(&words("ls -l a/b"), Duration::from_secs(5)).await.unwrap();
    assert_eq!((output.code, output.stdout.as_slice()), (3, b"ls+-l+a/b".as_slice()));
}

#[tokio::test]
async fn input_arrives_whole_and_ends() {
    let target = target(|_, input| says(&input.len().to_string(), 0)).await;
    let mut told = 0;
    let input = vec![7; 100_000];
    let output = target.send(&words("count"), &input[..], |sent| told = sent).await.unwrap();
    assert_eq!((output.stdout.as_slice(), told), (b"100000".as_slice(), 100_000));
}

#[tokio::test]
async fn a_broken_stream_is_not_an_ended_one() {
    let target = target(|words, _| Played {
        stdout: vec![1; 50_000],
        end: if words[0] == "whole" { End::Code(0) } else { End::Cut },
    })
    .await;
    let mut bytes = Vec::new();
    let mut stream = target.stream(&words("whole")).await.unwrap();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!((bytes.len(), stream.finish().await.unwrap().code), (50_000, 0));
    let mut stream = target.stream(&words("cut")).await.unwrap();
    let error = stream.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((error.kind(), bytes.len()), (std::io::ErrorKind::ConnectionAborted, 100_000));
    assert!(matches!(stream.finish().await, Err(ExecError::Lost { .. })));
}

#[tokio::test]
async fn refusals_become_sentences() {
    let cases = [
        (403, "no", "not allowed to run commands in pods of namespace space: no", false),
        (401, "who", "the API server does not accept the credentials: who", false),
        (404, "none", "pod space/pod is not there: none", false),
        (500, "container not found (x)", "the container is not running: container not found (x)", true),
        (
            502,
            "error dialing backend: no route",
            "the API server cannot reach the kubelet of the pod's node: error dialing backend: no route",
            true,
        ),
    ];
    for (code, message, sentence, passes) in cases {
        let target = target(move |_, _| Played { stdout: Vec::new(), end: End::Refused(code, message) }).await;
        let error = target.run(&words("refused"), Duration::from_secs(5)).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_passing()), (sentence, passes));
    }
}

#[tokio::test]
async fn nobody_there_is_said() {
    let client = Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let target = Target::new(client, "space", "pod", None);
    let error = target.run(&words("true"), Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(error, ExecError::Unreachable { .. }) && error.is_passing(), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
