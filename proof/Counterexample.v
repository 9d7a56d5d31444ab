(* The counterexample on paper: N = 3, X = (-1, 0, 1)', G1 = 1, gamma = 2, beta = 3, G2 = 1,
   y = (1, 3, 2)', ReLU, ddof = 1, eps = 0. True dR/dgamma = 2 (the question: 4), true
   dR/dGamma1 = 0 (the question: 4). It also shows that the theorems' hypotheses can be met. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column Backward WeightSpace Panel Network
  QuestionNetwork Question.
Import ListNotations.
Open Scope R_scope.

Definition paper_X (i k : nat) : R := nth i [-1; 0; 1] 0.
Definition paper_y (i : nat) : R := nth i [1; 3; 2] 0.
Definition paper : model := question 3 1 0 1 1 paper_X paper_y relu relu'.
Definition paper_q : point := fun c =>
  match c with cG1 _ _ => 1 | cgamma _ => 2 | cbeta _ => 3 | cG2 _ => 1 | _ => 0 end.

Lemma paper_legal : legal (of paper).
Proof. apply unweighted_legal; [lia|]. simpl. lra. Qed.

Lemma paper_z i : zcol paper paper_q 0 i = paper_X i 0.
Proof. unfold zcol, lin, g1. simpl. ring. Qed.

Lemma paper_mu : mu (of paper) (zcol paper paper_q 0) = 0.
Proof.
  unfold mu. rewrite (rsum_ext _ _ (fun i => paper_X i 0))
    by (intros; rewrite paper_z; simpl; ring).
  unfold n, paper_X. simpl. field.
Qed.

Lemma paper_v : v (of paper) (zcol paper paper_q 0) = 1.
Proof.
  unfold v. rewrite paper_mu, (rsum_ext _ _ (fun i => paper_X i 0 ^ 2))
    by (intros; rewrite paper_z; simpl; ring).
  unfold paper_X. simpl. field.
Qed.

Lemma paper_regular : regular_at paper paper_q.
Proof.
  intros j Hj. replace j with 0%nat by (simpl in Hj; lia).
  unfold regular. rewrite paper_v. simpl. lra.
Qed.

Lemma paper_sigma : sigma (of paper) (zcol paper paper_q 0) = 1.
Proof. unfold sigma. rewrite paper_v. simpl. rewrite Rplus_0_r. apply sqrt_1. Qed.

Lemma paper_zhat i : zhat (of paper) (zcol paper paper_q 0) i = paper_X i 0.
Proof. unfold zhat. rewrite paper_sigma, paper_mu, paper_z. lra. Qed.

Lemma paper_B i : B paper paper_q i 0 = 2 * paper_X i 0 + 3.
Proof.
  unfold B, B_of_G1, bn. simpl snd. simpl fst.
  change (lin 1 paper_X (g1 paper_q 0)) with (zcol paper paper_q 0).
  change (lin (p1 paper) (Definitions.X paper) (g1 paper_q 0)) with (zcol paper paper_q 0).
  now rewrite paper_zhat.
Qed.

Lemma paper_positive i : (i < 3)%nat -> 0 < 2 * paper_X i 0 + 3.
Proof. intros Hi. destruct i as [|[|[|]]]; unfold paper_X; simpl; lra || lia. Qed.

Lemma paper_smooth b : reached paper (B paper) paper_q b -> is_derive relu b (relu' b).
Proof.
  intros [i [j [Hi [Hj ->]]]]. replace j with 0%nat by (simpl in Hj; lia).
  apply relu_derive. rewrite paper_B. pose proof (paper_positive i Hi). lra.
Qed.

Lemma paper_W i : (i < 3)%nat ->
  W paper (B paper) paper_q 0 i = -2 / 3 * (paper_y i - (2 * paper_X i 0 + 3)).
Proof.
  intros Hi. pose proof (paper_positive i Hi) as Hpos.
  assert (HE : E paper (B paper) paper_q i = paper_y i - (2 * paper_X i 0 + 3)).
  { rewrite <- (rsum_delta 3 i (fun k => paper_y k - (2 * paper_X k 0 + 3)) Hi).
    apply rsum_ext. intros k Hk. pose proof (paper_positive k Hk). simpl Q. f_equal.
    unfold yhat, V. simpl. rewrite paper_B. unfold relu. destruct (Rle_dec _ 0); lra. }
  unfold W, D. rewrite HE, paper_B. change (n (of paper)) with (n (unweighted 3 1 0)).
  rewrite unweighted_n. simpl. unfold relu'. destruct (Rle_dec _ 0); [lra|field].
Qed.

Ltac paper := simpl rsum; rewrite !paper_W by lia; unfold paper_y, paper_X; simpl; lra.

Lemma paper_dgamma : dR_dgamma paper paper_q 0 = 2.
Proof. unfold dR_dgamma, dgamma. simpl rsum. rewrite !paper_zhat. paper. Qed.

Lemma paper_dbeta : dR_dbeta paper paper_q 0 = 2.
Proof. unfold dR_dbeta, dbeta. paper. Qed.

Lemma paper_question_dgamma : question_dgamma paper paper_q 0 = 4.
Proof. rewrite question_dgamma_eq, paper_dgamma. simpl. ring. Qed.

Lemma paper_question_dG1 : question_dG1 paper paper_q 0 0 = 4.
Proof. unfold question_dG1. rewrite paper_sigma. paper. Qed.

Lemma paper_left_out : left_out paper paper_q 0 0 = 4.
Proof.
  unfold left_out. rewrite paper_dgamma, paper_dbeta, paper_sigma.
  unfold Sg, S, Xc, xbar, mu, n, g1. simpl. unfold paper_X. simpl. field.
Qed.

Lemma paper_dG1 : dR_dG1 paper paper_q 0 0 = 0.
Proof.
  pose proof (question_dG1_eq paper paper_q 0 0 paper_legal (paper_regular 0%nat Nat.lt_0_1)) as H.
  rewrite paper_question_dG1, paper_left_out, paper_sigma in H. lra.
Qed.

(* Wrong with any factor, so also for the 1/N that the question leaves out. *)
Theorem paper_gamma_wrong c : c = 1 \/ c = 3 ->
  ~ is_derive (fun t : R => risk paper (B paper) (set paper_q (cgamma 0) t)) 2
      (c * question_dgamma paper paper_q 0).
Proof.
  intros Hc HA. rewrite paper_question_dgamma in HA.
  pose proof (network_gamma paper paper_q paper_legal (question_projects _ _ _ _ _ _ _ _ _)
    paper_regular paper_smooth 0%nat Nat.lt_0_1) as HT.
  apply is_derive_unique in HA. apply is_derive_unique in HT.
  rewrite paper_dgamma in HT. change (paper_q (cgamma 0)) with 2 in HT. rewrite HT in HA.
  destruct Hc; lra.
Qed.

Theorem paper_G1_wrong c : c <> 0 ->
  ~ is_derive (fun t : R => risk paper (B paper) (set paper_q (cG1 0 0) t)) 1
      (c * question_dG1 paper paper_q 0 0).
Proof.
  intros Hc HA. rewrite paper_question_dG1 in HA.
  pose proof (network_G1 paper paper_q paper_legal (question_projects _ _ _ _ _ _ _ _ _)
    paper_regular paper_smooth 0%nat 0%nat Nat.lt_0_1 Nat.lt_0_1) as HT.
  apply is_derive_unique in HA. apply is_derive_unique in HT.
  rewrite paper_dG1 in HT. change (paper_q (cG1 0 0)) with 1 in HT. rewrite HT in HA. lra.
Qed.
